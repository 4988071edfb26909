"""The kernel tier on a toy upstream, with AMD's machine code in the interpreter's place."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness import catalogue
from harness.facts import CPU, Host, Platform, Revert, Tier
from harness.gcn.emulator import Hazard, Run
from harness.gcn.launches import PATCHES
from harness.observation import Observation, Point
from harness.process.pool import Pool
from harness.source import revert
from harness.source.symbols import functions_by_module
from harness.source.tree import Tree, at
from harness.tests.toyland import upstream
from harness.tiers import arms
from harness.tiers.arms import ArmPlan
from harness.tiers.kernel.emulated import executed

BUG = catalogue.load_reproducer("harness.tests.toyland.bugs.pr101_stray_store")
CHIPS = ("gfx942", "gfx950")


def _run(tree: Tree, folder: Path, pool: Pool, chip: str | None) -> tuple[Observation, dict[str, Any]]:
    where = Platform(Host.EMULATED, chip) if chip else CPU
    plan = ArmPlan(
        name="arm", reproducer=BUG, tier=Tier.KERNEL, platform=where, tree=tree,
        points=BUG.case(Tier.KERNEL).points(),
        functions=functions_by_module(tree, BUG.revert.functions),
    )  # fmt: skip
    job = arms.job(plan, folder, arms.environment(arms.kind(Tier.KERNEL, where), tree.package))
    ended = pool.submit(job).result()
    seen = arms.observation(plan, ended)
    assert seen.unresolved is None, seen.unresolved
    assert ended.result is not None
    return seen, ended.result.get("emulated", {})


def _written(point: Point) -> Any:
    """A trace without what was read, which depends on what a compiler leaves out."""
    for event in (trace := json.loads(json.dumps(point.trace))):
        for argument in event.get("args", {}).values():
            argument.pop("read", None)
    return trace


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tree, Tree]:
    """The toy upstream, and the same with its fix undone."""
    folder = tmp_path_factory.mktemp("emulated")
    tree = at(upstream.write(folder / "toy"))
    assert isinstance(BUG.revert, Revert)
    return tree, revert.apply(tree, BUG.revert, folder / "trees").tree


@pytest.mark.parametrize("chip", CHIPS)
def test_both_arms_show_what_they_show_in_the_interpreter(
    chip: str, toys: tuple[Tree, Tree], tmp_path: Path, kernel_pool: Pool
) -> None:
    for number, tree in enumerate(toys):
        expected, _ = _run(tree, tmp_path / f"{number}", kernel_pool, None)
        found, told = _run(tree, tmp_path / f"{number}.{chip}", kernel_pool, chip)
        assert [point.signatures for point in found.points] == [point.signatures for point in expected.points]
        assert [_written(point) for point in found.points] == [_written(point) for point in expected.points]
        assert told["fill_kernel"]["launches"] == 2
        assert told["fill_kernel"]["opcodes"]["s_endpgm"] == told["fill_kernel"]["waves"]
        assert found.attestation is not None
        assert PATCHES[-1] in found.attestation.patches
    faults = [fault for point in found.points for fault in point.faults]
    (fault,) = faults
    assert fault.seen and str(fault.seen.place).startswith("pages.py:")


def test_runs_of_one_kernel_are_added_up() -> None:
    hazard = Hazard("k", "v_mov_b32 v0, v1", "k.py:3")
    one = Run(waves=2, instructions=7, opcodes=Counter(v_mov_b32=5, s_endpgm=2), hazards={hazard: 3})
    other = Run(waves=1, instructions=2, opcodes=Counter(s_endpgm=1, s_nop=1))
    found = executed([("k", one), ("k", other), ("m", other)])
    assert found["k"].to_json() == {
        "launches": 2,
        "waves": 3,
        "instructions": 9,
        "opcodes": {"v_mov_b32": 5, "s_endpgm": 3, "s_nop": 1},
        "hazards": ["v_mov_b32 v0, v1 at k.py:3"],
    }
    assert found["m"].waves == 1

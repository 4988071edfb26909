"""What `repro` picks for this machine, and how long it says that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.facts import CPU, CaseKey, Feature, Reproducer, Tier
from harness.golden import GoldenStore
from harness.history import ArmNight, Night, Series
from harness.machine import Machine
from harness.observation.compare import one_line
from harness.source import known
from harness.source.tree import Tree
from harness.suite import planning, repro_plan, selection
from harness.suite.repro_plan import QUICK, Here, Step
from harness.tests.golden.samples import stored
from harness.tests.toyland.bench import bug, subject
from harness.verdict import Verdict

BOTH = replace(bug("pr101_stray_store"), server=subject("pr202_wrong_token").server)
"""A kernel case and a server."""
HERE = Machine(platform=CPU, features=frozenset(Feature) - {Feature.CUDA, Feature.ROCM})
TREE = Tree(root=Path("/toy/sglang"), version="9.9.8", origin="path")
BARE = Machine(platform=CPU, features=frozenset({Feature.TORCH, Feature.TRITON}))


def night(day: int, verdict: Verdict = Verdict.PASS, **seconds: float) -> Night:
    arms = {name: ArmNight(seconds=value, faults=0, runs=1) for name, value in seconds.items()}
    at = datetime(2026, 1, day, tzinfo=UTC)
    return Night(at=at, sglang="9", tree=None, verdict=verdict, reason="", seconds=1.0, arms=arms)


def past(tier: Tier, *nights: Night, params: dict[str, Any] | None = None) -> Series:
    told = one_line(BOTH.case(tier).points()[0] if params is None else params)
    key = CaseKey(BOTH.id, tier, CPU)
    return Series(key=key, line="release 9", host="cpu", params=told, nights=nights)


@pytest.fixture(autouse=True)
def unpublished(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tree is no release by its content."""
    monkeypatch.setattr(known, "release", lambda tree: None)


@pytest.fixture
def goldens(tmp_path: Path) -> GoldenStore:
    """With a golden of the server."""
    store = GoldenStore(tmp_path)
    store.save(replace(stored(), key=CaseKey(BOTH.id, Tier.SERVER, CPU)))
    return store


def planned(
    goldens: GoldenStore,
    *kept: Series,
    machine: Machine = HERE,
    lanes: int = 2,
    tiers: Sequence[Tier] = (),
    of: Reproducer = BOTH,
) -> dict[str, Step]:
    asked = selection.one(of, tiers or of.tiers, (), None)
    here = Here(tree=TREE, machine=machine, lanes=lanes, past=kept, goldens=goldens)
    return {step.request.tier: step for step in repro_plan.of(asked, here, asked=bool(tiers))}


def test_a_server_waits_to_be_asked_for_where_a_kernel_shows_the_bug(goldens: GoldenStore) -> None:
    steps = planned(goldens)
    assert steps["kernel"].runs and not steps["server"].runs
    assert steps["server"].put_off == "a server takes minutes"
    assert steps["server"].command == "refault repro pr101 --tier server"
    assert [request.tier for request in repro_plan.wanted(list(steps.values()))] == ["kernel"]


def test_a_server_runs_where_nothing_else_can(goldens: GoldenStore) -> None:
    steps = planned(goldens, machine=BARE)
    assert steps["kernel"].missing == (Feature.INTERPRETER,) and steps["server"].runs
    # What is missing is handed to the suite too: it is UNSUPPORTED, and the JSON says so.
    assert [request.tier for request in repro_plan.wanted(list(steps.values()))] == ["kernel", "server"]


def test_what_was_asked_for_runs(goldens: GoldenStore) -> None:
    assert planned(goldens, tiers=(Tier.KERNEL, Tier.SERVER))["server"].runs


@pytest.mark.parametrize(
    ("seconds", "lanes", "why"),
    [
        (QUICK / 2, 1, None),
        (QUICK / 2 + 1, 2, None),
        (QUICK / 2 + 1, 1, "it took 92 s the last time"),
        (QUICK + 1, 2, "it took 91 s the last time"),
    ],
)
def test_a_server_known_to_be_quick_runs(
    seconds: float, lanes: int, why: str | None, goldens: GoldenStore
) -> None:
    kept = past(Tier.SERVER, night(1, fixed=seconds, reverted=seconds))
    step = planned(goldens, kept, lanes=lanes)["server"]
    assert (step.runs, step.put_off) == (why is None, why)


def test_a_quick_server_without_a_golden_waits(tmp_path: Path) -> None:
    kept = past(Tier.SERVER, night(1, fixed=1.0, reverted=1.0))
    step = planned(GoldenStore(tmp_path / "none"), kept)["server"]
    assert step.put_off == "it has no golden for cpu yet"


def test_the_last_time_is_that_of_both_arms_at_the_same_point(goldens: GoldenStore) -> None:
    kept = (
        past(Tier.KERNEL, night(1, fixed=1.0, reverted=2.0), night(2, fixed=3.0, reverted=4.0)),
        past(Tier.KERNEL, night(3, Verdict.UNRESOLVED, fixed=9.0, reverted=9.0), night(4, fixed=9.0)),
        past(Tier.KERNEL, night(5, fixed=9.0, reverted=9.0), params={"tokens": 1}),
        past(Tier.SERVER, night(6, fixed=9.0, reverted=9.0)),
    )
    last = planned(goldens, *kept)["kernel"].last
    assert last is not None and (last.at.day, last.arms) == (2, {"fixed": 3.0, "reverted": 4.0})
    assert planned(goldens)["kernel"].last is None


def test_what_other_hardware_took_is_not_told(goldens: GoldenStore) -> None:
    kept = past(Tier.SERVER, replace(night(1, fixed=1.0, reverted=1.0), hardware="Other, 2 CPUs"))
    assert planned(goldens, kept)["server"].put_off == "a server takes minutes"
    alike = replace(HERE, hardware="Other, 2 CPUs")
    assert planned(goldens, kept, machine=alike)["server"].runs


def test_a_release_from_before_the_bug_has_nothing_to_be_run(
    goldens: GoldenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "release", lambda tree: "9.8.0")
    monkeypatch.setattr(planning, "functions_by_module", lambda tree, names: {})
    steps = planned(goldens)
    why = "9.8.0 is older than this bug, which came with 9.9.0, and has no function build_table"
    assert [step.lacks for step in steps.values()] == [why, why]
    assert not any(step.runs or step.put_off for step in steps.values())
    assert len(repro_plan.wanted(list(steps.values()))) == 2  # the suite gives them their verdicts

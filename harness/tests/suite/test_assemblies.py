"""What emulated arms compile is kept for the next suite, by a process of its own, and never by an arm."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.host.assembly import Assembly
from harness.process.protection import Protection
from harness.suite.assemblies import Assemblies
from harness.tests.suite.test_emulated import BUG, CHIP, _judge
from harness.tests.toyland.bench import Bench
from harness.tiers.arms import ArmPlan
from harness.verdict import Verdict


def _plan(bench: Bench, platform: object) -> ArmPlan:
    return ArmPlan(
        name="fixed", reproducer=BUG, tier=BUG.tiers[0], platform=platform, tree=bench.setting.tree,  # type: ignore[arg-type]
        functions={}, points=(),
    )  # fmt: skip


def test_the_second_run_compiles_nothing_and_shows_the_same(fresh: Bench) -> None:
    if fresh.pool.protection is not Protection.READ_ONLY:
        pytest.skip("this machine gives arms no read-only folders")
    fresh.keep(*_judge(fresh, CHIP))
    kept = {path: path.read_text() for path in fresh.setting.workspace.assembly.iterdir()}
    (again,) = _judge(fresh, CHIP)
    assert again.result.verdict is Verdict.PASS
    assert again.result.fixed and again.result.fixed.attestation
    assert any("is taken from the cache" in one for one in again.result.fixed.attestation.patches)
    # What lies there is what is executed: with other code for the same IR the row is no PASS any more.
    try:
        for path, told in kept.items():
            _without_stores(path, json.loads(told))
        assert _judge(fresh, CHIP)[0].result.verdict is not Verdict.PASS
    finally:
        for path, told in kept.items():
            path.write_text(told)


def _without_stores(path: Path, told: dict[str, Any]) -> None:
    text = told["text"].replace("buffer_store_dword ", "; buffer_store_dword ")
    digest = Assembly(text, told["metadata"]).digest
    path.write_text(json.dumps({**told, "text": text, "digest": digest}))


def test_arms_that_could_write_there_do_not_look(fresh: Bench) -> None:
    emulated, plain = _plan(fresh, CHIP), _plan(fresh, fresh.setting.machine.platform)
    compared = Assemblies(fresh.setting, Protection.COMPARED)
    read_only = Assemblies(fresh.setting, Protection.READ_ONLY)
    assert compared.over(emulated) is None and read_only.over(plain) is None
    assert read_only.over(emulated) == fresh.setting.workspace.assembly
    assert replace(emulated, assembly=read_only.over(emulated)).assembly

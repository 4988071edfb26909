"""Several cases side by side, on a pool of their own or of somebody else's."""

from __future__ import annotations

import shutil
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.facts import Revert, Tier, edit
from harness.machine.workspace import Workspace
from harness.process.job import Ended, Job
from harness.process.pool import Pool
from harness.source.bytecode import Making
from harness.source.tree import at
from harness.suite import Request, Suite, bytecodes
from harness.tests.suite.planted import STORE, TROUBLED, told
from harness.tests.toyland import bench
from harness.tests.toyland.bench import Bench, bug
from harness.verdict import Verdict


def test_an_arm_that_cannot_be_started_leaves_the_other_cases_alone(fresh: Bench) -> None:
    suite = Suite(fresh.setting, pool=fresh.pool)
    shutil.rmtree(suite.folder)
    suite.folder.write_text("in the way of the arms' folders")
    cases = [STORE, bug("pr109_needs_both_vendors")]
    judged = suite.run([Request(reproducer=one, tier=Tier.KERNEL) for one in cases])
    results = {one.result.pr: one.result for one in judged}
    assert "could not be run" in told(results[101], Verdict.UNRESOLVED)
    assert told(results[109], Verdict.UNSUPPORTED)


def test_points_of_one_case_side_by_side_do_not_mix(fresh: Bench) -> None:
    requests = [Request(reproducer=STORE, tier=Tier.KERNEL, overrides={"tokens": n}) for n in (5, 9, 13)]
    results = [judged.result for judged in Suite(fresh.setting, pool=fresh.pool).run(requests)]
    seen = {one.params["tokens"]: one.reverted.main.faults[0].count for one in results if one.reverted}
    assert seen == {5: 3, 9: 6, 13: 9}
    assert len({arm.log for one in results for arm in one.arms.values()}) == 6  # a folder each


def test_bytecode_of_cases_that_are_expected_is_made_once(
    tmp_path: Path, cache: Path, kernel_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def making(root: Path, package: str, modules: list[str], *rest: Any, **more: Any) -> Making:
        asked.append(modules)
        return Making(root, package, modules, *rest, **more)

    monkeypatch.setattr(bytecodes, "Making", making)
    one = bench.lay_out(tmp_path, cache, kernel_pool)
    setting = replace(one.setting, workspace=Workspace(tmp_path / "own"))
    elsewhere = Revert(edit(in_function="unused", remove="return number"))
    spare = replace(bug("pr104_short_indptr"), revert=elsewhere)
    cases = [Request(reproducer=one, tier=Tier.KERNEL, asked=("fixed",)) for one in (STORE, spare)]
    with Suite(setting, pool=kernel_pool, expected=cases) as suite:
        assert [len(list(suite.run([case]))) for case in cases] == [1, 1]
    assert asked == [["sglang.pages", "sglang.spare"]]


def test_the_original_tree_is_never_written(fresh: Bench) -> None:
    before = fresh.tree.content_hash
    listing = sorted(path for path in fresh.tree.root.rglob("*"))
    fresh.judge(STORE)
    again = at(fresh.tree.root)
    assert again.content_hash == before
    assert sorted(path for path in fresh.tree.root.rglob("*")) == listing


def test_a_suite_closes_its_own_pool_and_no_other(tmp_path: Path, cache: Path, kernel_pool: Pool) -> None:
    one = bench.lay_out(tmp_path, cache, kernel_pool)
    request = Request(reproducer=STORE, tier=Tier.KERNEL, asked=("fixed",))
    with Suite(one.setting, pool=kernel_pool):
        pass
    assert [judged.result.verdict for judged in Suite(one.setting, pool=kernel_pool).run([request])] == [None]
    with Suite(one.setting) as own:
        pass
    (judged,) = own.run([request])
    assert "the pool is closed" in told(judged.result, Verdict.UNRESOLVED)


def test_started_and_ended_are_told_of_every_arm(fresh: Bench) -> None:
    told: list[str] = []
    ended: list[str] = []
    cases = [
        Request(reproducer=bug(name), tier=Tier.KERNEL)
        for name in ("pr104_short_indptr", "pr109_needs_both_vendors")
    ]
    assert len(list(Suite(fresh.setting, told.append, ended.append, fresh.pool).run(cases))) == 2
    assert told == ["pr104 kernel reverted", "pr104 kernel fixed"] == sorted(ended, reverse=True)


def test_a_case_asked_for_again_waits_for_the_others(fresh: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[tuple[str, int]] = []
    submit = fresh.pool.submit

    def noted(job: Job) -> Future[Ended]:
        turns.append((job.folder.name.split(".")[1], job.turn))
        return submit(job)

    monkeypatch.setattr(fresh.pool, "submit", noted)
    requests = [
        Request(reproducer=one, tier=Tier.KERNEL, asked=("fixed",)) for one in (STORE, STORE, TROUBLED)
    ]
    assert len(list(Suite(fresh.setting, pool=fresh.pool).run(requests))) == 3
    assert turns == [(STORE.id, 0), (STORE.id, 1), (TROUBLED.id, 0)]


def test_a_lost_fork_server_is_unresolved(fresh: Bench) -> None:
    """The last test of the module: the pool's next fork server imports nothing ahead."""
    lost = fresh.judge(TROUBLED, {"trouble": "orphan"}, asked=("fixed",)).result
    assert "the arm's process ended as lost: its fork server ended" in told(lost, Verdict.UNRESOLVED)

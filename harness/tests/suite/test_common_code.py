"""Arms that import what they have in common once show what arms do that import all by themselves."""

from dataclasses import replace

import pytest

from harness.facts import Tier
from harness.observation import Observation
from harness.source import known
from harness.suite import Judged, Request, planning
from harness.tests.toyland.bench import Bench, bug
from harness.tiers import arms

SHOWN = ("pr101_stray_store", "pr104_short_indptr", "pr105_null_address", "pr106_endless_drain")


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy as a release whose content is known."""
    monkeypatch.setattr(known, "release", lambda tree: "9.9.9")


def _without_chance(observation: Observation | None) -> Observation | None:
    return observation and replace(observation, seconds=0.0, log=None)


def _shown(judged: Judged) -> list[Observation | None]:
    return [_without_chance(one) for one in (judged.result.fixed, judged.result.reverted)]


@pytest.mark.parametrize("name", SHOWN)
def test_both_arms_show_the_same(name: str, fresh: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    reproducer = bug(name)
    alone = fresh.judge(reproducer)
    monkeypatch.setattr(known, "release", lambda tree: "9.9.9")
    common = fresh.judge(reproducer)
    assert common.result.reason == alone.result.reason
    assert _shown(common) == _shown(alone)


@pytest.mark.parametrize("released", [True, False])
def test_modules_that_a_case_names_come_ahead_of_the_code_under_edit(
    released: bool, fresh: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "release", lambda tree: "9.9.9" if released else None)
    result = fresh.judge(bug("pr111_imports_ahead")).result
    shown = [one.points[0].results for one in (result.fixed, result.reverted) if one]
    assert shown == [{"ahead": True}] * 2


def test_what_is_common_is_all_but_what_is_watched(fresh: Bench, published: None) -> None:
    request = Request(reproducer=bug("pr101_stray_store"), tier=Tier.KERNEL).on(fresh.setting.machine)
    plans = planning.plan(request, None, fresh.setting).plans
    fixed, reverted = plans["fixed"], plans["reverted"]
    assert fixed.common == reverted.common and fixed.common is not None
    assert fixed.common.tree == fixed.tree and fixed.common.reverted == reverted.tree
    assert fixed.common.modules == {"sglang.pages"}
    shared = arms.environment("kernel", "sglang")
    jobs = [arms.job(plan, fresh.folder, shared) for plan in plans.values()]
    assert len({job.shares for job in jobs}) == 1 and jobs[0].shares is not None


def test_nothing_is_common_in_a_tree_that_nobody_published(fresh: Bench) -> None:
    request = Request(reproducer=bug("pr101_stray_store"), tier=Tier.KERNEL).on(fresh.setting.machine)
    plans = planning.plan(request, None, fresh.setting).plans
    assert [plan.common for plan in plans.values()] == [None, None]

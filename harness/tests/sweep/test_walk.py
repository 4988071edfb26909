"""A sweep of the toy: walked in batches, judged, and shrunk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import Unresolved
from harness.facts import Revert, Tier, edit
from harness.suite import Suite
from harness.sweep import space
from harness.sweep.shrink import Symptom, smallest
from harness.sweep.survey import mismatches, survey
from harness.sweep.walk import Walker
from harness.tests.toyland.bench import Bench, bug

STRAY = bug("pr101_stray_store")
CASE = STRAY.kernel
POINTS = [{"tokens": tokens, "page_size": page_size} for tokens in (1, 7, 12) for page_size in (1, 4)]


def walker(bench: Bench, name: str = "pr101_stray_store") -> Walker:
    return Walker(Suite(bench.setting, pool=bench.pool), bug(name), Tier.KERNEL)


def test_every_point_comes_back_from_both_arms(fresh: Bench) -> None:
    outcomes = list(walker(fresh).walk(POINTS, batch=4))
    assert [space.key(one.params) for one in outcomes] == [space.key(point) for point in POINTS]
    bites = [(one.params["tokens"], one.params["page_size"]) for one in outcomes if one.bites]
    assert bites == [(7, 4), (12, 4)]  # one token fits the one page of it
    assert not any(one.arms["fixed"].faults for one in outcomes)


def test_the_survey_names_the_point_that_the_arithmetic_got_wrong(fresh: Bench) -> None:
    assert CASE is not None
    expected = STRAY.expect.reverted
    found = survey(CASE, expected, list(walker(fresh).walk(POINTS)), walker(fresh))
    (wrong,) = found.mismatches  # the toy says that page size 4 always bites
    assert wrong.predicted and wrong.outcome.params == {"tokens": 1, "page_size": 4}
    assert found.biting == 2 and found.findings == ()
    assert found.smallest is not None and found.smallest.params == {"tokens": 2, "page_size": 2}


@pytest.mark.nightly  # the survey above shrinks, too
def test_shrinking_ends_at_the_smallest_point(fresh: Bench) -> None:
    assert CASE is not None
    (seen,) = walker(fresh).walk([CASE.default])
    (fault,) = seen.arms["reverted"].faults
    least = smallest(CASE, Symptom.of(fault, "reverted", watched=True), [seen], walker(fresh))
    assert least.params == {"tokens": 2, "page_size": 2}


def test_a_point_that_ends_its_arm_costs_no_other(fresh: Bench) -> None:
    points = [{"mapped": mapped} for mapped in (1, 0, 2, 3)]
    outcomes = list(walker(fresh, "pr105_null_address").walk(points))
    assert sorted(space.key(one.params) for one in outcomes) == sorted(map(space.key, points))
    (biting,) = (one for one in outcomes if one.bites)
    assert biting.params == {"mapped": 0} and [fault.kind for fault in biting.arms["reverted"].faults] == [
        "crash"
    ]


def test_a_stale_revert_is_no_outcome(fresh: Bench) -> None:
    stale = replace(STRAY, revert=Revert(edit(in_function="build_table", remove="numel = 8")))
    with pytest.raises(Unresolved, match=r"the revert does not apply to this tree: .*found 0 times"):
        list(Walker(Suite(fresh.setting, pool=fresh.pool), stale, Tier.KERNEL).walk(POINTS))


def test_without_an_only_every_point_is_said_to_bite(fresh: Bench) -> None:
    outcomes = list(walker(fresh).walk(POINTS))
    everywhere = replace(STRAY.expect.reverted, only=None)
    assert len(mismatches(everywhere, outcomes)) == len(POINTS) - 2

"""Clean releases told apart by their neighbours."""

from __future__ import annotations

from dataclasses import replace

from harness import matrix
from harness.facts import Bug
from harness.matrix import Applies, Status
from harness.tests.matrix.samples import affected, cell, fixed


def test_clean_before_the_first_affected_release_is_not_yet_present() -> None:
    clean = cell("9.8", Status.FIXED, reason="clean as published")
    settled = {one.release: one.status for one in matrix.settled([affected("9.9.7"), fixed("9.9.8"), clean])}
    assert settled == {"9.8": "not-yet-present", "9.9.7": "affected", "9.9.8": "fixed"}


def test_stale_before_the_bug_is_shown_and_no_problem() -> None:
    unknown = Bug(pr=101, fixed_in="9.9.8", symptom="x")
    clean = cell("9.8", Status.FIXED, revert=Applies.STALE, problem="stale")
    cells = [replace(one, bug=unknown) for one in (clean, affected("9.9.7"))]
    (first, _) = matrix.settled(cells)
    assert (first.status, first.revert, first.problem) == ("not-yet-present", "stale", None)


def test_stale_where_the_fix_is_fails() -> None:
    clean = cell("9.9.8", Status.FIXED, revert=Applies.STALE, problem="9.9.8: the revert is stale")
    cells = matrix.settled([affected("9.9.7"), clean])
    assert matrix.disagreements(cells, []) == ["9.9.8: the revert is stale"]

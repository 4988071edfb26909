"""What was measured against what is declared."""

from __future__ import annotations

import pytest

from harness import matrix
from harness.facts import Bug
from harness.matrix import Cell, Status
from harness.tests.matrix.samples import STRAY, affected, cell, fixed


@pytest.mark.parametrize(
    ("release", "said"),
    [("9.8", "not-yet-present"), ("9.9.0", "affected"), ("9.9.7.post1", "affected"), ("9.9.8", "fixed")],
)
def test_what_a_range_says(release: str, said: str) -> None:
    assert matrix.declared(STRAY.bug, release) == said


def test_an_unknown_beginning_says_nothing() -> None:
    assert matrix.declared(Bug(pr=1, fixed_in="2.0", symptom="x"), "1.0") is None


def test_agreement_is_no_problem() -> None:
    cells = [cell("9.8", Status.NOT_YET_PRESENT), affected("9.9.7"), fixed("9.9.8")]
    compared = matrix.likenesses(cells)
    assert matrix.disagreements(cells, compared) == [] and matrix.exit_code(cells, []) == 0
    (one,) = compared
    assert one.same and (one.release, one.affected) == ("9.9.8", "9.9.7")


@pytest.mark.parametrize(
    ("measured", "told"),
    [
        (affected("9.9.8"), "measured affected, declared fixed"),
        (affected("9.8"), "measured affected, declared not-yet-present"),
        (fixed("9.9.7"), "measured fixed, declared affected"),
    ],
)
def test_a_disagreement_fails(measured: Cell, told: str) -> None:
    (problem,) = matrix.disagreements([measured], [])
    assert told in problem and "introduced in 9.9.0, fixed in 9.9.8" in problem
    assert matrix.exit_code([measured], [problem]) == 1


def test_what_could_not_be_measured_disagrees_with_nothing() -> None:
    cells = [cell("9.9.7", Status.UNRESOLVED), cell("9.9.8", Status.NOT_APPLICABLE)]
    assert matrix.disagreements(cells, []) == [] and matrix.exit_code(cells, []) == 3
    assert matrix.exit_code(cells[1:], []) == 0

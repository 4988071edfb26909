"""A fix undone, compared with a release that really was affected."""

from __future__ import annotations

from dataclasses import replace

from harness import matrix
from harness.tests.matrix.samples import FAULT, affected, fixed


def test_it_is_compared_with_the_newest_affected_release() -> None:
    old = affected("9.9.0", replace(FAULT, count=1))
    (one,) = matrix.likenesses([old, affected("9.9.7"), fixed("9.9.8")])
    assert one.affected == "9.9.7" and one.same


def test_a_renamed_kernel_is_told_and_no_failure() -> None:
    cells = [affected("9.9.7"), fixed("9.9.8", replace(FAULT, kernel="fill_table"))]
    (one,) = matrix.likenesses(cells)
    assert not one.same and one.only_named and matrix.disagreements(cells, [one]) == []
    assert "by fill_kernel" in one.missing[0] and "by fill_table" in one.added[0]


def test_another_count_is_a_failure() -> None:
    cells = [affected("9.9.7"), fixed("9.9.8", replace(FAULT, count=1))]
    compared = matrix.likenesses(cells)
    (problem,) = matrix.disagreements(cells, compared)
    assert "does not fault like 9.9.7" in problem and "lacks" in problem and "adds" in problem

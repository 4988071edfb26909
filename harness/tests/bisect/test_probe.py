"""One tree judged: the fault once seen is bad, clean every time is good, anything else is neither."""

from __future__ import annotations

import pytest

from harness.bisect.probe import judged
from harness.bisect.search import Answer
from harness.matrix import Cell, Status
from harness.observation.rates import Rate
from harness.tests.toyland.bench import bug

STRAY = bug("pr101_stray_store")
NAMES = {"a": Status.AFFECTED, "f": Status.FIXED, "y": Status.NOT_YET_PRESENT, "u": Status.UNRESOLVED,
         "n": Status.NOT_APPLICABLE}  # fmt: skip


@pytest.mark.parametrize(
    ("runs", "answer", "rate"),
    [
        ("a", Answer.BAD, Rate(1, 1)),
        ("f", Answer.GOOD, Rate(0, 1)),
        ("yyy", Answer.GOOD, Rate(0, 3)),
        ("ffaf", Answer.BAD, Rate(1, 4)),
        ("ua", Answer.BAD, Rate(1, 2)),
        ("ffu", Answer.SKIPPED, Rate()),
        ("n", Answer.SKIPPED, Rate()),
    ],
)
def test_runs_of_one_tree(runs: str, answer: Answer, rate: Rate) -> None:
    cells = [Cell(reproducer=STRAY.id, release="9.9", status=NAMES[run], reason=run) for run in runs]
    step = judged("9.9", cells)
    assert (step.answer, step.rate) == (answer, rate)
    assert step.reason == {Answer.BAD: "a", Answer.GOOD: "clean"}.get(answer, runs[-1])

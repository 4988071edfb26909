"""What a sweep comes to: where the bug bites, whether it is said to, and what else was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.facts import Case, ExpectedFault
from harness.observation import Fault
from harness.sweep.chart import Chart, chart
from harness.sweep.outcomes import Outcome
from harness.sweep.shrink import Symptom, smallest
from harness.sweep.walk import Walker


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A point where upstream's arithmetic says one thing and the reverted arm shows the other."""

    outcome: Outcome
    predicted: bool


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A fault of the fixed arm, the points that showed it, and the smallest point that does.

    `watched` is true of one that the case would be judged by.
    """

    fault: Fault
    watched: bool
    count: int
    smallest: Outcome


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The result of a sweep. `smallest` is None where nothing bit."""

    outcomes: tuple[Outcome, ...]
    mismatches: tuple[Mismatch, ...]
    chart: Chart | None
    smallest: Outcome | None
    findings: tuple[Finding, ...]

    @property
    def biting(self) -> int:
        return sum(outcome.bites for outcome in self.outcomes)


def survey(
    case: Case,
    expected: ExpectedFault,
    outcomes: Sequence[Outcome],
    walker: Walker,
    progress: Callable[[str], None] = lambda what: None,
) -> Survey:
    """Judge the outcomes; smaller points are run to shrink what was found."""
    return Survey(
        outcomes=tuple(outcomes),
        mismatches=tuple(mismatches(expected, outcomes)),
        chart=chart(outcomes),
        smallest=_smallest_bite(case, expected, outcomes, walker, progress),
        findings=tuple(_findings(case, outcomes, walker, progress)),
    )


def so_far(expected: ExpectedFault, outcomes: Sequence[Outcome]) -> Survey:
    """What outcomes tell by themselves: nothing is run, so nothing is shrunk and no finding is told."""
    return Survey(
        outcomes=tuple(outcomes),
        mismatches=tuple(mismatches(expected, outcomes)),
        chart=chart(outcomes) if outcomes else None,
        smallest=None,
        findings=(),
    )


def mismatches(expected: ExpectedFault, outcomes: Sequence[Outcome]) -> list[Mismatch]:
    """Every point where what was measured is not what the reproducer's `only` says."""
    said = [(outcome, expected.bites_at(outcome.params)) for outcome in outcomes]
    return [
        Mismatch(outcome=outcome, predicted=bites) for outcome, bites in said if bites is not outcome.bites
    ]


def _smallest_bite(
    case: Case,
    expected: ExpectedFault,
    outcomes: Sequence[Outcome],
    walker: Walker,
    progress: Callable[[str], None],
) -> Outcome | None:
    """The smallest point with a fault of the expected kind and buffer, however its kernel is called."""
    faults = [fault for outcome in outcomes if outcome.bites for fault in outcome.arms["reverted"].faults]
    kinds = [fault for fault in faults if fault.shows(expected, kernels=False)]
    if not kinds:
        return None
    return smallest(case, Symptom.of(kinds[0], "reverted", watched=True), outcomes, walker, progress)


def _findings(
    case: Case, outcomes: Sequence[Outcome], walker: Walker, progress: Callable[[str], None]
) -> list[Finding]:
    found = []
    for symptom in dict.fromkeys(symptom for outcome in outcomes for symptom in _symptoms(outcome)):
        showing = [outcome for outcome in outcomes if symptom.match(outcome)]
        least = smallest(case, symptom, showing, walker, progress)
        fault = symptom.match(least)
        assert fault is not None
        found.append(Finding(fault=fault, watched=symptom.watched, count=len(showing), smallest=least))
    return found


def _symptoms(outcome: Outcome) -> list[Symptom]:
    fixed = outcome.arms["fixed"]
    watched = [Symptom.of(fault, "fixed", watched=True) for fault in fixed.faults]
    return watched + [Symptom.of(fault, "fixed", watched=False) for fault in fixed.findings]

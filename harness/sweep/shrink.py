"""Finding the smallest point that still shows what a larger one showed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.facts import Case, Params
from harness.observation import Fault
from harness.sweep.outcomes import Outcome, Seen
from harness.sweep.space import key, smaller, weight
from harness.sweep.walk import Walker
from harness.verdict import ArmName

ROUNDS = 30


@dataclass(frozen=True)
class Symptom:
    """What a point has to show in one arm: a fault of this kind, buffer and kernel, watched or beside."""

    arm: ArmName
    kind: str
    buffer: str | None
    kernel: str | None
    watched: bool

    @classmethod
    def of(cls, fault: Fault, arm: ArmName, *, watched: bool) -> Symptom:
        return cls(arm, fault.kind, fault.buffer, fault.kernel, watched)

    def match(self, outcome: Outcome) -> Fault | None:
        """The fault that this symptom is, at a point; None if the point does not show it."""
        seen = outcome.arms.get(self.arm, Seen())
        for fault in seen.faults if self.watched else seen.findings:
            if (fault.kind, fault.buffer, fault.kernel) == (self.kind, self.buffer, self.kernel):
                return fault
        return None


def smallest(
    case: Case,
    symptom: Symptom,
    outcomes: Sequence[Outcome],
    walker: Walker,
    progress: Callable[[str], None] = lambda what: None,
) -> Outcome:
    """The smallest point found, beginning with the smallest of `outcomes` that shows the symptom.

    In each round every smaller neighbour runs in one arm, and the smallest that still shows it is
    gone on from. One of `outcomes` must show it.
    """
    known = {key(outcome.params): outcome for outcome in outcomes if symptom.arm in outcome.arms}
    best = min(filter(symptom.match, known.values()), key=lambda outcome: weight(case, outcome.params))
    for _ in range(ROUNDS):
        candidates = smaller(case, best.params)
        _visit(candidates, symptom.arm, known, walker)
        better = next((found for found in _found(candidates, known) if symptom.match(found)), None)
        if better is None:
            break
        progress(f"{symptom.kind} {symptom.buffer or ''} at size {weight(case, better.params)}")
        best = better
    return best


def _visit(candidates: Sequence[Params], arm: ArmName, known: dict[str, Outcome], walker: Walker) -> None:
    new = [point for point in candidates if key(point) not in known]
    for outcome in walker.walk(new, (arm,)):
        known[key(outcome.params)] = outcome


def _found(candidates: Sequence[Params], known: Mapping[str, Outcome]) -> list[Outcome]:
    return [known[key(point)] for point in candidates if key(point) in known]

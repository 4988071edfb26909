"""Whether an arm proves anything, and whether it shows all that was asked for and recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.facts import Params
from harness.golden import Golden
from harness.observation import Observation, Point
from harness.observation.compare import named_params, one_line, same_params
from harness.verdict.evidence import Arm, Evidence
from harness.verdict.kinds import ArmName

_UPDATE = "run `refault record --update`"


def points(arm: Arm) -> tuple[Point, ...]:
    return arm.observation.points if arm.observation else ()


def unproven(name: ArmName, arm: Arm) -> str | None:
    """Why this arm's observation proves nothing about the code under test; None if it does."""
    seen = arm.observation
    if seen is None:
        return f"{name} arm: nothing came back"
    problem = seen.unresolved or _unattested(arm, seen)
    if not problem and not seen.points:
        problem = "no point was observed"
    if not problem and seen.exit.how != "clean" and not any(point.faults for point in seen.points):
        problem = f"it ended by {seen.exit.how}, and no fault accounts for that"
    return f"{name} arm: {problem}" if problem else None


def _unattested(arm: Arm, seen: Observation) -> str | None:
    if seen.attestation is None:
        return "no attestation"
    # Asking for nothing would let anything pass.
    if not arm.wanted:
        return "no module was named that it must attest"
    if arm.emulates and arm.emulates not in arm.emulated:
        return f"it does not attest that it emulated {arm.emulates}"
    problem = seen.attestation.problem(arm.wanted, arm.functions)
    return f"{problem}{_before(seen)}" if problem else None


def _before(seen: Observation) -> str:
    """What may have kept an arm from the functions to attest: the first fault that ended a point."""
    ends = (fault for point in seen.points for fault in point.faults if fault.sort.ends)
    first = next(ends, None)
    return f"; seen before: {first.signature}" if first else ""


def unaltered(case: Evidence) -> str | None:
    same = "fixed" in case.asked and dict(case.fixed.wanted) == dict(case.reverted.wanted)
    return "reverted arm: its modules are those of the fixed arm" if same else None


def incomplete(case: Evidence, name: ArmName) -> str | None:
    """The first point that was asked for and that this arm does not show."""
    seen = {one_line(point.params) for point in points(case.arm(name))}
    other = points(case.fixed) if "fixed" in case.asked else ()
    for params in case.points or [point.params for point in other]:
        if one_line(params) not in seen:
            cause = _cut_short(case.arm(name))
            return f"{name} arm: the point {named_params(params)} was not observed{cause}"
    return None


def _cut_short(arm: Arm) -> str:
    """Why an arm has fewer points than were asked for: it ended at one, and that fault hides the rest."""
    seen = arm.observation
    if seen is None or seen.exit.how == "clean" or not seen.points:
        return ""
    last = named_params(seen.points[-1].params)
    return f", because the arm ended by {seen.exit.how} at {last}; run points behind that one with --set"


def uncovered(case: Evidence, golden: Golden) -> str | None:
    """A point that only the grid or only the golden has: they are of different ages."""
    for name in case.asked:
        seen = [point.params for point in points(case.arm(name))]
        known = [one.point.params for one in golden.arms.get(name, ())]
        for params in _beyond(seen, known):
            return f"the golden lacks the {name} arm's point {named_params(params)}: {_UPDATE}"
        for params in _beyond(known, seen):
            return f"the golden has a {name} arm's point {named_params(params)} that is gone: {_UPDATE}"
    return None


def _beyond(some: Sequence[Params], others: Sequence[Params]) -> Iterator[Params]:
    known = {one_line(params) for params in others}
    return (params for params in some if one_line(params) not in known)


def asked_as(case: Evidence, point: Point) -> Params:
    """A point's parameters as the reproducer wrote them: its tuples come back from an arm as lists."""
    return next((params for params in case.points if same_params(params, point.params)), point.params)

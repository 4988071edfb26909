"""The order in which a case is judged, and what of it is kept as a golden.

A run that asks for one arm only can prove nothing, so it has no verdict (None) unless that arm
alone already shows a failing one: the table itself stays closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.errors import GoldenError
from harness.facts import CaseKey, Configuration, Params, Reproducer, Subject
from harness.golden import Golden, points_of
from harness.observation import Observation, Point
from harness.observation.compare import DEFAULT_TOLERANCE, same_params, trace_difference
from harness.verdict import departure, disagreement, proof, wording
from harness.verdict.broken import BROKEN
from harness.verdict.disagreement import Disagreement
from harness.verdict.evidence import Evidence
from harness.verdict.kinds import ArmName, Verdict
from harness.verdict.result import Result


@dataclass(frozen=True)
class Judgement:
    """A verdict with its reason in one line; `drift` lists differences that do not bind."""

    verdict: Verdict | None
    reason: str
    drift: tuple[str, ...] = ()


def judge(case: Evidence) -> Judgement:
    """The first verdict of the table that holds, in its order; None for one arm that shows no failure."""
    steps = (_unsupported, _fixed, _stale, _reverted, _shape, _goldens)
    found = next((judgement for step in steps if (judgement := step(case))), None) or _last(case)
    drift = () if found.verdict is Verdict.UNSUPPORTED else departure.drift(case)
    where = f"{case.retired.told}: " if case.retired else ""
    return Judgement(
        found.verdict, wording.as_line(f"{where}{found.reason}"), tuple(map(wording.as_line, drift))
    )


def conclude(
    subject: Subject,
    case: Evidence,
    key: CaseKey,
    *,
    params: Params | None = None,
    seconds: float = 0.0,
) -> Result:
    """Judge a case and put it into the words of a report. `seconds` adds up its arms' wall-clock time."""
    judgement = judge(case)
    bug = subject.bug if isinstance(subject, Reproducer) else None
    return Result(
        key=key, pr=bug.pr if bug else None, issue=bug.issue if bug else None,
        configuration=isinstance(subject, Configuration), params=params or {},
        verdict=judgement.verdict, reason=judgement.reason, drift=judgement.drift,
        evidence=case.weight, released=case.released, retired=case.retired,
        judged_by="by hand" if case.by_hand else "goldens",
        seconds=seconds, fixed=case.fixed.observation, reverted=case.reverted.observation,
        interpreted=case.interpreted.observation if case.interpreted else None,
        disagreement=_found(case),
    )  # fmt: skip


def golden_of(
    result: Result,
    case: Evidence,
    provenance: Mapping[str, str],
) -> Golden:
    """The golden that `case` would leave. Its tolerance and `provenance["tree"]` are taken from the case.

    Raises GoldenError unless both arms were attested and behaved: a fixed arm without faults, a
    reverted one that bites where the reproducer says, and nowhere else.
    """
    seen: dict[str, Observation | None] = {arm: case.arm(arm).observation for arm in case.asked}
    judgement = judge(replace(case, golden=None))
    if judgement.verdict is not Verdict.UNRECORDED:
        word = "a point given by hand" if case.by_hand else judgement.verdict and judgement.verdict.value
        raise GoldenError(f"{result.key}: not recorded: {word or 'one arm only'}: {judgement.reason}")
    arms = {arm: points_of(observation) for arm, observation in seen.items() if observation}
    whence = {**provenance, "tree": case.tree}
    return Golden(key=result.key, provenance=whence, tolerance=case.tolerance, arms=arms)


def _unsupported(case: Evidence) -> Judgement | None:
    if case.missing:
        return Judgement(Verdict.UNSUPPORTED, f"this machine lacks {', '.join(case.missing)}")
    return Judgement(Verdict.UNSUPPORTED, case.older) if case.older and not case.stale else None


def _fixed(case: Evidence) -> Judgement | None:
    if "fixed" not in case.asked:
        return None
    if case.fixed.unsupported:
        return _not_emulated("fixed", case.fixed.unsupported)
    if problem := proof.unproven("fixed", case.fixed) or _disagreement(case):
        return Judgement(Verdict.UNRESOLVED, problem)
    for point in proof.points(case.fixed):
        if point.faults:
            return _faulty(case, point)
    if problem := proof.incomplete(case, "fixed"):
        return Judgement(Verdict.UNRESOLVED, problem)
    departs = departure.binding(case, "fixed")
    return Judgement(Verdict.REGRESSED, departs) if departs else None


def _faulty(case: Evidence, point: Point) -> Judgement:
    """A fixed arm that faults: the tree never had the fix, or it lost it. Only the first has to be shown."""
    said = wording.said(case, "fixed", point)
    if case.unfixed and _shows_the_bug(case):
        return Judgement(Verdict.UNFIXED, f"not fixed in this release yet: {case.unfixed}; {said}")
    return Judgement(Verdict.REGRESSED, said)


def _shows_the_bug(case: Evidence) -> bool:
    """Whether the fixed arm shows the declared bug at its default point. Old releases may have more bugs."""
    if case.expect is None or case.control:
        return False
    first = proof.points(case.fixed)[0]
    # Older releases may call a kernel otherwise.
    return any(fault.shows(case.expected, kernels=False) for fault in first.faults)


def _not_emulated(name: ArmName, what: str) -> Judgement:
    return Judgement(Verdict.UNSUPPORTED, f"{name} arm: the emulator does not implement {what}")


def _disagreement(case: Evidence) -> str | None:
    """Why the interpreter speaks against what an emulator showed, or proves nothing itself."""
    beside = case.interpreted
    if beside is None:
        return None
    if problem := proof.unproven("interpreted", beside):
        return problem
    found = _found(case)
    return disagreement.told(found) if found else None


def _found(case: Evidence) -> Disagreement | None:
    """The first difference between an emulated arm and the interpreter, where both prove something."""
    ours, beside = case.fixed, case.interpreted
    if beside is None or proof.unproven("fixed", ours) or proof.unproven("interpreted", beside):
        return None
    assert ours.observation and beside.observation  # both are proven
    return disagreement.first(ours.observation, beside.observation)


def _stale(case: Evidence) -> Judgement | None:
    if case.stale is None or "reverted" not in case.asked:
        return None
    if case.older:
        return Judgement(Verdict.UNSUPPORTED, f"{case.older}: {case.stale}")
    return Judgement(Verdict.STALE, case.stale)


def _reverted(case: Evidence) -> Judgement | None:
    if "reverted" not in case.asked:
        return None
    if case.reverted.unsupported and not case.broken:
        return _not_emulated("reverted", case.reverted.unsupported)
    if (
        problem := _broken(case)
        or proof.unproven("reverted", case.reverted)
        or proof.unaltered(case)
        or proof.incomplete(case, "reverted")
    ):
        return Judgement(Verdict.UNRESOLVED, problem)
    point = proof.points(case.reverted)[0]
    return (
        None if point.faults or case.control else Judgement(Verdict.TOOTHLESS, wording.why_clean(case, point))
    )


def _broken(case: Evidence) -> str | None:
    return f"reverted arm: {BROKEN}: {case.broken}" if case.broken else None


def _shape(case: Evidence) -> Judgement | None:
    """Whether the reverted arm faults where, and only where, the reproducer says, and in its way."""
    if "reverted" not in case.asked:
        return None
    if case.control:
        return _parted(case)
    if case.by_hand:
        return None
    expected, points = case.expected, proof.points(case.reverted)
    for point in points[1:]:
        bites = expected.bites_at(proof.asked_as(case, point))
        if bites and not point.faults:
            return Judgement(Verdict.TOOTHLESS, wording.why_clean(case, point))
        if point.faults and not bites:
            said = wording.said(case, "reverted", point)
            return Judgement(Verdict.CHANGED, f"{said}; it must stay clean there")
    if not any(fault.shows(case.expected) for fault in points[0].faults):
        reason = f"{wording.said(case, 'reverted', points[0])}; {wording.expected(case)} was expected"
        return Judgement(Verdict.CHANGED, reason)
    return None


def _parted(case: Evidence) -> Judgement | None:
    """Where the arms of a declared control part, or the reverted one faults."""
    for point in proof.points(case.reverted):
        if point.faults:
            said = wording.said(case, "reverted", point)
            return Judgement(Verdict.CHANGED, f"{said}; this is a declared control")
        for other in proof.points(case.fixed):
            parted = trace_difference(other.trace, point.trace, DEFAULT_TOLERANCE)
            if same_params(other.params, point.params) and parted:
                where = wording.at(case.reverted, point)
                return Judgement(
                    Verdict.CHANGED, f"the arms of a declared control differ{where}: {parted.text}"
                )
    return None


def _goldens(case: Evidence) -> Judgement | None:
    if case.by_hand or not (case.is_whole or "reverted" in case.asked):
        return None
    golden = case.golden
    if golden is None:
        unrecorded = Judgement(Verdict.UNRECORDED, "no golden for this platform yet: run `refault record`")
        return unrecorded if case.is_whole else None
    if problem := proof.uncovered(case, golden):
        return Judgement(Verdict.UNRECORDED, problem)
    departs = departure.binding(case, "reverted") if "reverted" in case.asked else None
    return Judgement(Verdict.CHANGED, departs) if departs else None


def _last(case: Evidence) -> Judgement:
    """Nothing spoke against the case: PASS, if all its arms were asked for."""
    if case.expect is None:
        told = wording.emulating(case, "the configuration starts, answers and stays clean, as golden")
        return Judgement(Verdict.PASS, f"{told}{wording.of_another_release(case)}")
    if "reverted" not in case.asked:
        return Judgement(None, "the fixed arm alone is clean; without the reverted arm there is no verdict")
    told = wording.told(case)
    if "fixed" not in case.asked:
        return Judgement(None, f"{told}; without the fixed arm there is no verdict")
    return Judgement(Verdict.PASS, f"{told}{wording.of_another_release(case)}")

"""The closed table of verdicts, and the order in which a case is judged.

A run that asks for one arm only can prove nothing, so it has no verdict (None) unless that arm
alone already shows a failing one: the table itself stays closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from harness.compare import (
    DEFAULT_TOLERANCE,
    Difference,
    changed_params,
    finding_differences,
    named_params,
    naming_differences,
    plain,
    point_differences,
    same_params,
    trace_difference,
    trace_digest,
)
from harness.errors import BadInput, GoldenError
from harness.facts import Configuration, Expect, ExpectedFault, Params, Reproducer, Subject, Tolerance
from harness.golden import Golden, GoldenPoint, points_of
from harness.observation import Fault, Observation, Point

ArmName = Literal["fixed", "reverted"]
BOTH: tuple[ArmName, ...] = ("fixed", "reverted")
_TOLD = 3
_UPDATE = "run `refault record --update`"


class Verdict(StrEnum):
    """The eight verdicts; the value is the word itself."""

    PASS = "PASS"
    UNSUPPORTED = "UNSUPPORTED"
    REGRESSED = "REGRESSED"
    TOOTHLESS = "TOOTHLESS"
    CHANGED = "CHANGED"
    STALE = "STALE"
    UNRECORDED = "UNRECORDED"
    UNRESOLVED = "UNRESOLVED"

    @property
    def success(self) -> bool:
        return self in (Verdict.PASS, Verdict.UNSUPPORTED)


SEVERITY = (
    Verdict.PASS, Verdict.UNSUPPORTED, Verdict.UNRECORDED, Verdict.UNRESOLVED, Verdict.STALE,
    Verdict.CHANGED, Verdict.TOOTHLESS, Verdict.REGRESSED,
)  # fmt: skip
"""Verdicts from the best to the worst."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One arm as it came back, and what its attestation must prove.

    `wanted` maps edited modules to their sha256 in this arm's tree, `functions` are the edited
    functions of which one must have been entered.
    """

    observation: Observation | None = None
    wanted: Mapping[str, str] = field(default_factory=dict)
    functions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that one (reproducer, tier, platform) is judged by.

    `missing` are the required features this machine lacks, `tree` is the content hash of the tree
    under test, `stale` the text of its StaleRevert. `points` are the parameters that were asked
    for (empty: those the fixed arm shows). `asked` leaves an arm out where the user did.
    On a declared `control` both arms are meant to be clean and to show the same. A configuration
    has no expectation: its fixed arm stands alone.
    """

    expect: Expect | None
    fixed: Arm = field(default_factory=Arm)
    reverted: Arm = field(default_factory=Arm)
    golden: Golden | None = None
    tree: str = ""
    missing: tuple[str, ...] = ()
    stale: str | None = None
    by_hand: bool = False
    points: tuple[Params, ...] = ()
    asked: tuple[ArmName, ...] = BOTH
    control: bool = False

    def arm(self, name: ArmName) -> Arm:
        return self.fixed if name == "fixed" else self.reverted

    @property
    def is_whole(self) -> bool:
        """Whether every arm that the case has was asked for."""
        return self.asked == BOTH or self.expect is None

    @property
    def expected(self) -> ExpectedFault:
        """What the reverted arm shows."""
        assert self.expect is not None  # only a configuration has none, and it has no reverted arm
        return self.expect.reverted

    @property
    def is_signature(self) -> bool:
        """Whether all that the reverted arm can show is a compiled form."""
        return self.expect is not None and self.expect.reverted.kind == "signature"

    @property
    def reference(self) -> Golden | None:
        """The golden, where this case is judged by one."""
        return None if self.by_hand else self.golden

    @property
    def is_golden_tree(self) -> bool:
        """Whether the tree under test is the one the golden was recorded on: traces and names bind there."""
        return bool(self.golden and self.tree and self.golden.provenance.get("tree") == self.tree)


@dataclass(frozen=True)
class Judgement:
    """A verdict with its reason in one line; `drift` lists differences that do not bind."""

    verdict: Verdict | None
    reason: str
    drift: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """One row of a report: who was judged, how, and what both arms showed."""

    reproducer: str
    tier: str
    platform: str
    pr: int | None = None
    issue: int | None = None
    params: Params = field(default_factory=dict)
    verdict: Verdict | None
    evidence: Literal["fault", "signature"] = "fault"
    reason: str = ""
    drift: tuple[str, ...] = ()
    seconds: float = 0.0
    fixed: Observation | None = None
    reverted: Observation | None = None
    judged_by: Literal["goldens", "by hand"] = "goldens"
    configuration: bool = False
    rates: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arms(self) -> dict[str, Observation]:
        """The arms that were observed, by name."""
        both = {"fixed": self.fixed, "reverted": self.reverted}
        return {name: observation for name, observation in both.items() if observation}

    @property
    def failed(self) -> bool:
        return self.verdict is not None and not self.verdict.success

    def to_json(self) -> dict[str, Any]:
        """The result as DESIGN's JSON has it; an arm that was not observed is left out."""
        identity = {"reproducer": self.reproducer, "pr": self.pr, "issue": self.issue}
        place = {"tier": self.tier, "platform": self.platform, "params": self.params}
        verdict = self.verdict.value if self.verdict else None
        judged: dict[str, Any] = {
            "verdict": verdict,
            "evidence": self.evidence,
            "reason": self.reason,
            "drift": self.drift,
        }
        if self.configuration:
            judged["configuration"] = True
        if self.rates:
            judged["rates"] = self.rates
        arms = {name: observation.to_json() for name, observation in self.arms.items()}
        return dict(plain({**identity, **place, **judged, "seconds": round(self.seconds, 3), "arms": arms}))


def judge(case: Evidence) -> Judgement:
    """The first verdict of the table that holds, in its order; None for one arm that shows no failure."""
    steps = (_unsupported, _fixed, _stale, _reverted, _shape, _goldens)
    found = next((judgement for step in steps if (judgement := step(case))), None) or _last(case)
    drift = () if found.verdict is Verdict.UNSUPPORTED else _drift(case)
    return Judgement(found.verdict, _as_line(found.reason), tuple(map(_as_line, drift)))


def conclude(
    subject: Subject,
    case: Evidence,
    *,
    tier: str,
    platform: str,
    params: Params | None = None,
    seconds: float = 0.0,
) -> Result:
    """Judge a case and put it into the words of a report. `seconds` is wall-clock time."""
    judgement = judge(case)
    bug = subject.bug if isinstance(subject, Reproducer) else None
    return Result(
        reproducer=subject.id, pr=bug.pr if bug else None, issue=bug.issue if bug else None,
        configuration=isinstance(subject, Configuration),
        tier=tier, platform=platform, params=params or {},
        verdict=judgement.verdict, reason=judgement.reason, drift=judgement.drift,
        evidence="signature" if case.is_signature else "fault",
        judged_by="by hand" if case.by_hand else "goldens",
        seconds=seconds, fixed=case.fixed.observation, reverted=case.reverted.observation,
    )  # fmt: skip


def golden_of(
    result: Result,
    case: Evidence,
    provenance: Mapping[str, str],
    tolerance: Tolerance = DEFAULT_TOLERANCE,
) -> Golden:
    """The golden that `case` would leave. `provenance["tree"]` is taken from the case.

    Raises GoldenError unless both arms were attested and behaved: a fixed arm without faults, a
    reverted one that bites where the reproducer says, and nowhere else.
    """
    name = f"{result.reproducer} {result.tier} {result.platform}"
    seen: dict[str, Observation | None] = {arm: case.arm(arm).observation for arm in case.asked}
    judgement = judge(replace(case, golden=None))
    if judgement.verdict is not Verdict.UNRECORDED:
        word = "a point given by hand" if case.by_hand else judgement.verdict and judgement.verdict.value
        raise GoldenError(f"{name}: not recorded: {word or 'one arm only'}: {judgement.reason}")
    arms = {arm: points_of(observation) for arm, observation in seen.items() if observation}
    identity = {"reproducer": result.reproducer, "tier": result.tier, "platform": result.platform}
    return Golden(**identity, provenance={**provenance, "tree": case.tree}, tolerance=tolerance, arms=arms)


def exit_code(results: Sequence[Result]) -> int:
    """0 success, 1 a failing verdict, 3 only UNRESOLVED failures, 4 nothing but UNSUPPORTED.

    One arm alone that shows no failure (no verdict) was what the user asked for, and ends 0.
    Raises BadInput where there is no result at all: finding nothing is an error.
    """
    if not results:
        raise BadInput("nothing was run: name a reproducer and a tier that it has (see `refault list`)")
    failures = {result.verdict for result in results if result.failed}
    if failures:
        return 3 if failures == {Verdict.UNRESOLVED} else 1
    return 4 if all(result.verdict is Verdict.UNSUPPORTED for result in results) else 0


# --- the steps, in the order of the table ------------------------------------------------------


def _unsupported(case: Evidence) -> Judgement | None:
    if not case.missing:
        return None
    return Judgement(Verdict.UNSUPPORTED, f"this machine lacks {', '.join(case.missing)}")


def _fixed(case: Evidence) -> Judgement | None:
    if "fixed" not in case.asked:
        return None
    if problem := _unproven("fixed", case.fixed):
        return Judgement(Verdict.UNRESOLVED, problem)
    for point in _points(case.fixed):
        if point.faults:
            return Judgement(Verdict.REGRESSED, _said("fixed", case.fixed, point))
    if problem := _incomplete(case, "fixed"):
        return Judgement(Verdict.UNRESOLVED, problem)
    departure = _departure(case, "fixed")
    return Judgement(Verdict.REGRESSED, departure) if departure else None


def _stale(case: Evidence) -> Judgement | None:
    if case.stale is None or "reverted" not in case.asked:
        return None
    return Judgement(Verdict.STALE, case.stale)


def _reverted(case: Evidence) -> Judgement | None:
    if "reverted" not in case.asked:
        return None
    if problem := _unproven("reverted", case.reverted) or _unaltered(case) or _incomplete(case, "reverted"):
        return Judgement(Verdict.UNRESOLVED, problem)
    point = _points(case.reverted)[0]
    return None if point.faults or case.control else Judgement(Verdict.TOOTHLESS, _why_clean(case, point))


def _shape(case: Evidence) -> Judgement | None:
    """Whether the reverted arm faults where, and only where, the reproducer says, and in its way."""
    if "reverted" not in case.asked:
        return None
    if case.control:
        return _parted(case)
    if case.by_hand:
        return None
    expected, points = case.expected, _points(case.reverted)
    for point in points[1:]:
        bites = expected.bites_at(_asked_as(case, point))
        if bites and not point.faults:
            return Judgement(Verdict.TOOTHLESS, _why_clean(case, point))
        if point.faults and not bites:
            said = _said("reverted", case.reverted, point)
            return Judgement(Verdict.CHANGED, f"{said}; it must stay clean there")
    if not any(_fits(case, fault) for fault in points[0].faults):
        reason = f"{_said('reverted', case.reverted, points[0])}; {_expected(case)} was expected"
        return Judgement(Verdict.CHANGED, reason)
    return None


def _parted(case: Evidence) -> Judgement | None:
    """Where the arms of a declared control part, or the reverted one faults."""
    for point in _points(case.reverted):
        if point.faults:
            said = _said("reverted", case.reverted, point)
            return Judgement(Verdict.CHANGED, f"{said}; this is a declared control")
        for other in _points(case.fixed):
            parted = trace_difference(other.trace, point.trace, DEFAULT_TOLERANCE)
            if same_params(other.params, point.params) and parted:
                where = _at(case.reverted, point)
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
    if problem := _uncovered(case, golden):
        return Judgement(Verdict.UNRECORDED, problem)
    departure = _departure(case, "reverted") if "reverted" in case.asked else None
    return Judgement(Verdict.CHANGED, departure) if departure else None


def _last(case: Evidence) -> Judgement:
    """Nothing spoke against the case: PASS, if all its arms were asked for."""
    if case.expect is None:
        return Judgement(Verdict.PASS, "the configuration starts, answers and stays clean, as golden")
    if "reverted" not in case.asked:
        return Judgement(None, "the fixed arm alone is clean; without the reverted arm there is no verdict")
    told = _told(case)
    if "fixed" not in case.asked:
        return Judgement(None, f"{told}; without the fixed arm there is no verdict")
    return Judgement(Verdict.PASS, told)


def _told(case: Evidence) -> str:
    """What the reverted arm showed. What a signature is worth is said with it."""
    if case.control:
        return "a declared control: both arms show the same, as they are meant to"
    told = _said("reverted", case.reverted, _points(case.reverted)[0])
    identifies = "; that identifies the kernel and does not prove wrong values"
    return told + identifies if case.is_signature else told


# --- what the steps ask ------------------------------------------------------------------------


def _points(arm: Arm) -> tuple[Point, ...]:
    return arm.observation.points if arm.observation else ()


def _unproven(name: ArmName, arm: Arm) -> str | None:
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
    return seen.attestation.problem(arm.wanted, arm.functions)


def _unaltered(case: Evidence) -> str | None:
    same = "fixed" in case.asked and dict(case.fixed.wanted) == dict(case.reverted.wanted)
    return "reverted arm: its modules are those of the fixed arm" if same else None


def _incomplete(case: Evidence, name: ArmName) -> str | None:
    """The first point that was asked for and that this arm does not show."""
    seen = [point.params for point in _points(case.arm(name))]
    other = _points(case.fixed) if "fixed" in case.asked else ()
    for params in case.points or [point.params for point in other]:
        if not any(same_params(params, one) for one in seen):
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


def _uncovered(case: Evidence, golden: Golden) -> str | None:
    """A point that only the grid or only the golden has: they are of different ages."""
    for name in case.asked:
        seen = [point.params for point in _points(case.arm(name))]
        known = [one.point.params for one in golden.arms.get(name, ())]
        for params in _beyond(seen, known):
            return f"the golden lacks the {name} arm's point {named_params(params)}: {_UPDATE}"
        for params in _beyond(known, seen):
            return f"the golden has a {name} arm's point {named_params(params)} that is gone: {_UPDATE}"
    return None


def _beyond(some: Sequence[Params], others: Sequence[Params]) -> Iterator[Params]:
    return (params for params in some if not any(same_params(params, other) for other in others))


def _asked_as(case: Evidence, point: Point) -> Params:
    """A point's parameters as the reproducer wrote them: its tuples come back from an arm as lists."""
    return next((params for params in case.points if same_params(params, point.params)), point.params)


def _departure(case: Evidence, name: ArmName) -> str | None:
    """How this arm departs from its golden in what binds, in one line."""
    if case.reference is None:
        return None
    tolerance, same_tree = case.reference.tolerance, case.is_golden_tree
    for point, golden in _recorded(case, name):
        differences = point_differences(golden.point, point, tolerance, names_bind=same_tree)
        texts = [difference.text for difference in differences]
        if same_tree:
            texts += filter(None, [_parting(golden, point, tolerance)])
        if texts:
            return f"{name} arm differs from its golden{_at(case.arm(name), point)}: {_joined(texts)}"
    return None


def _recorded(case: Evidence, name: ArmName) -> Iterator[tuple[Point, GoldenPoint]]:
    """The points of this arm that the golden knows, each with what it holds of them."""
    for point in _points(case.arm(name)):
        if case.reference and (golden := case.reference.find(name, point.params)):
            yield point, golden


def _parting(golden: GoldenPoint, point: Point, tolerance: Tolerance) -> str | None:
    """Where the traces part; for a point whose trace was not kept, only that they do."""
    if golden.point.trace:
        parted = trace_difference(golden.point.trace, point.trace, tolerance)
        return parted.text if parted else None
    seen = trace_digest(point.trace)
    kept = Difference("trace (its digest is all that is kept)", golden.trace_digest[:12], seen[:12])
    return None if seen == golden.trace_digest else kept.text


def _drift(case: Evidence) -> Iterator[str]:
    """What differs from the golden without binding."""
    for name in case.asked:
        if not _unproven(name, case.arm(name)):
            yield from _finding_drift(case, name)
            yield from [] if case.is_golden_tree else _foreign_drift(case, name)


def _finding_drift(case: Evidence, name: ArmName) -> Iterator[str]:
    for point, golden in _recorded(case, name):
        for difference in finding_differences(golden.point, point):
            yield f"{name} arm{_at(case.arm(name), point)}: {difference.text}"


def _foreign_drift(case: Evidence, name: ArmName) -> Iterator[str]:
    """What another tree than the golden's may do otherwise: name things, and take other steps."""
    if case.reference is None:
        return
    tolerance = case.reference.tolerance
    recorded = list(_recorded(case, name))
    named = [(point, naming_differences(golden.point, point)) for point, golden in recorded]
    texts = [(point, _joined([one.text for one in found])) for point, found in named if found]
    yield from _first_of(case, name, texts, "faults at {} other points have other names too")
    parted = [(point, text) for point, golden in recorded if (text := _parting(golden, point, tolerance))]
    yield from _first_of(case, name, parted, "traces of {} other points differ too")


def _first_of(case: Evidence, name: ArmName, told: Sequence[tuple[Point, str]], others: str) -> Iterator[str]:
    """One line an arm: the first point of which something is told, and how many others there are."""
    for point, text in told[:1]:
        more = f"; {others.format(len(told) - 1)}" if told[1:] else ""
        yield f"{name} arm{_at(case.arm(name), point)}: {text}{more}"


# --- wording -----------------------------------------------------------------------------------


def _said(name: ArmName, arm: Arm, point: Point) -> str:
    """What a point showed. A compiled signature identifies code and is never called a fault."""
    only_signatures = all(fault.kind == "signature" for fault in point.faults)
    does = "has the signature of the bug" if only_signatures else "faults"
    return f"{name} arm {does}{_at(arm, point)}: {_joined([fault.signature for fault in point.faults])}"


def _why_clean(case: Evidence, point: Point) -> str:
    watched = "signature" if case.is_signature else "watched fault"
    return f"reverted arm is clean{_at(case.reverted, point)}: {_joined(point.notes) or f'no {watched}'}"


def _at(arm: Arm, point: Point) -> str:
    own = changed_params(_points(arm)[0].params, point.params)
    return f" at {named_params(own)}" if own else ""


def _as_line(text: str) -> str:
    return " ".join(text.splitlines())


def _joined(texts: Sequence[str]) -> str:
    more = f" (and {len(texts) - _TOLD} more)" if len(texts) > _TOLD else ""
    return "; ".join(texts[:_TOLD]) + more


def _fits(case: Evidence, fault: Fault) -> bool:
    wanted = case.expected
    named = ((wanted.kind, fault.kind), (wanted.buffer, fault.buffer), (wanted.kernel, fault.kernel))
    return all(word is None or word == seen for word, seen in named)


def _expected(case: Evidence) -> str:
    wanted = case.expected
    return Fault(kind=wanted.kind, buffer=wanted.buffer, kernel=wanted.kernel).signature

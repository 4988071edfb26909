"""The words of a reason: what a point showed, where, and what was expected instead."""

from __future__ import annotations

from collections.abc import Sequence

from harness.observation import Fault, Point
from harness.observation.compare import changed_params, named_params
from harness.verdict.evidence import Arm, Evidence
from harness.verdict.kinds import ArmName
from harness.verdict.proof import points

_MOST = 3
"""How many faults of a point a reason names."""


def told(case: Evidence) -> str:
    """What the reverted arm showed. What a signature is worth is said with it."""
    if case.control:
        return "a declared control: both arms show the same, as they are meant to"
    showed = said(case, "reverted", points(case.reverted)[0])
    identifies = "; that identifies the kernel and does not prove wrong values"
    return showed + identifies if case.is_signature else emulating(case, showed)


def emulating(case: Evidence, showed: str) -> str:
    """What was shown, and which parts of a device were emulated to show it."""
    return f"{showed}; emulated: {joined(case.emulated)}" if case.emulated else showed


def said(case: Evidence, name: ArmName, point: Point) -> str:
    """What a point showed. A compiled signature identifies code and is never called a fault."""
    does = "has the signature of the bug" if point.only_signatures else "faults"
    where, faults = at(case.arm(name), point), joined([fault.signature for fault in point.faults])
    return f"{called(case, name)} {does}{where}: {faults}"


def called(case: Evidence, name: ArmName) -> str:
    """An arm in words: a published release that stands for the reverted one is told by its number."""
    stands = case.released if name == "reverted" else None
    return f"released arm ({stands})" if stands else f"{name} arm"


def why_clean(case: Evidence, point: Point) -> str:
    watched = "signature" if case.is_signature else "watched fault"
    clean = f"{called(case, 'reverted')} is clean{at(case.reverted, point)}"
    return f"{clean}: {joined(point.notes) or f'no {watched}'}"


def at(arm: Arm, point: Point) -> str:
    own = changed_params(points(arm)[0].params, point.params)
    return f" at {named_params(own)}" if own else ""


def as_line(text: str) -> str:
    return " ".join(text.splitlines())


def joined(texts: Sequence[str]) -> str:
    more = f" (and {len(texts) - _MOST} more)" if len(texts) > _MOST else ""
    return "; ".join(texts[:_MOST]) + more


def expected(case: Evidence) -> str:
    wanted = case.expected
    said = f"{wanted.of}: …{wanted.says}…" if wanted.says else wanted.of
    return Fault(kind=wanted.kind, buffer=wanted.buffer, kernel=wanted.kernel, message=said).signature

"""The evidence of a result: what each arm tells, aspect by aspect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.observation import Fault, Observation, Point
from harness.observation.compare import changed_params, named_params, one_line
from harness.verdict import EvidenceClass, Result

SHOWN = 5
"""How many findings, notes and other points are listed before the rest is only counted."""
LONG = 300
"""Characters of one value, such as the answers of a server's requests, that are shown at most."""


@dataclass(frozen=True)
class Row:
    """One aspect of the evidence, as lines for each observed arm."""

    aspect: str
    arms: dict[str, list[str]]


def evidence(result: Result) -> list[Row]:
    """Both arms, aspect by aspect; aspects that say nothing in either arm are left out."""
    rows = []
    for aspect, tell in _ASPECTS:
        arms = {name: tell(result, observation) for name, observation in result.arms.items()}
        if any(arms.values()):
            rows.append(Row(_worded(aspect, result), arms))
    return rows


def _worded(aspect: str, result: Result) -> str:
    # A compiled signature identifies code; it is no fault, and is not called one. An exception is.
    alone = all(arm.main.only_signatures for arm in result.arms.values() if arm.points)
    compiled = result.evidence is EvidenceClass.SIGNATURE and alone
    return "signatures" if aspect == "faults" and compiled else aspect


def _outcome(result: Result, seen: Observation) -> list[str]:
    if seen.unresolved:
        return [f"unresolved: {seen.unresolved}"]
    if seen.main.outcome == "clean":
        return ["clean"]
    return ["signature" if seen.main.only_signatures else "fault"]


def _exit(result: Result, seen: Observation) -> list[str]:
    how = seen.exit
    code = f"code {how.code}" if how.code is not None else None
    words = [how.how, *(word for word in (how.signal, code, how.message) if word)]
    return [] if how.how == "clean" else [", ".join(words)]


def _faults(result: Result, seen: Observation) -> list[str]:
    return [fault.signature for fault in seen.main.faults] or ["none"]


def _findings(result: Result, seen: Observation) -> list[str]:
    places: dict[str, list[Point]] = {}
    for point in seen.points:
        for text in _signatures(point.findings):
            places.setdefault(text, []).append(point)
    return _capped([text + _found_at(seen.main, points) for text, points in places.items()])


def _found_at(main: Point, points: list[Point]) -> str:
    """Where a finding was made, unless that is the default point alone."""
    first = "the default point" if points[0] is main else _named(main, points[0])
    others = f" and {len(points) - 1} more" if len(points) > 1 else ""
    return "" if points == [main] else f", at {first}{others}"


def _results(result: Result, seen: Observation) -> list[str]:
    return list(_told(seen.main.results))


def _compared(result: Result, seen: Observation) -> list[str]:
    return list(_told(seen.main.compared))


def _told(values: Mapping[str, Any]) -> Iterator[str]:
    """A line for each value; what is long is told part by part, and only its beginning."""
    for name, value in values.items():
        text = one_line(value)
        if len(text) > LONG and isinstance(value, Mapping):
            yield from _capped([f"{name} {part}: {_short(one_line(inner))}" for part, inner in value.items()])
        else:
            yield f"{name}: {_short(text)}"


def _short(text: str) -> str:
    return text if len(text) <= LONG else f"{text[:LONG]}… ({len(text)} characters, all in the JSON)"


def _notes(result: Result, seen: Observation) -> list[str]:
    return _capped(list(seen.main.notes))


def _other_points(result: Result, seen: Observation) -> list[str]:
    others = seen.points[1:]
    faulty = [point for point in others if point.faults]
    told = [f"{_named(seen.main, point)}: {'; '.join(_signatures(point.faults))}" for point in faulty]
    compiled = result.evidence is EvidenceClass.SIGNATURE
    only_signatures = compiled and all(point.only_signatures for point in faulty)
    word = "have the signature" if only_signatures else "fault"
    return [f"{len(faulty)} of {len(others)} {word}", *_capped(told)] if others else []


def _trace(result: Result, seen: Observation) -> list[str]:
    return [f"{len(seen.main.trace)} events, digest {seen.main.digest[:12]}"] if seen.points else []


def _attestation(result: Result, seen: Observation) -> list[str]:
    if seen.attestation is None:
        return ["none"]
    modules = [f"{module.name} {module.sha256[:12]}" for module in seen.attestation.modules]
    return [*modules, f"entered {', '.join(seen.attestation.entered) or 'nothing'}"]


def _log(result: Result, seen: Observation) -> list[str]:
    return [seen.log] if seen.log else []


_ASPECTS: tuple[tuple[str, Callable[[Result, Observation], list[str]]], ...] = (
    ("outcome", _outcome),
    ("exit", _exit),
    ("faults", _faults),
    ("results", _results),
    ("compared", _compared),
    ("points", _other_points),
    ("findings", _findings),
    ("notes", _notes),
    ("trace", _trace),
    ("attestation", _attestation),
    ("log", _log),
)


def _signatures(faults: Sequence[Fault]) -> list[str]:
    return [fault.signature for fault in faults]


def _named(main: Point, point: Point) -> str:
    return named_params(changed_params(main.params, point.params))


def _capped(lines: list[str]) -> list[str]:
    rest = len(lines) - SHOWN
    return [*lines[:SHOWN], f"and {rest} more, {len(lines)} in all"] if rest > 0 else lines

"""One arm on the page: how it ended, what it showed, and the proof of what it ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.observation import Observation, Point
from harness.report.html import tokens
from harness.report.html.strip import Strip, draw, draw_seen, draw_sound
from harness.report.html.view.wording import Capped, cut, named
from harness.verdict import Result

DRAWN = 6
"""How many faults of one point are drawn; the others are listed."""


@dataclass(frozen=True, kw_only=True)
class FaultView:
    """One fault, in its signature, with its own place and, where it names elements, drawn."""

    signature: str
    strip: Strip | None
    place: str | None = None


@dataclass(frozen=True, kw_only=True)
class ArmView:
    """One arm: how it ended, what it showed at its default point, and where else it faulted."""

    name: str
    outcome: str
    tone: str
    exit: str
    seconds: float
    rate: str
    unresolved: str | None
    drawn: tuple[FaultView, ...]
    sound: tuple[Strip, ...]
    undrawn: Capped
    points: int
    faulty: Capped
    findings: Capped
    results: Capped
    compared: Capped
    notes: Capped
    events: int
    digest: str
    log: str | None
    log_text: str | None
    attestation: Capped
    patches: Capped


def arm_view(result: Result, seen: Observation, logs: Mapping[str, str]) -> ArmView:
    """An arm of a result; `logs` has the texts of logs by arm."""
    main = seen.main
    outcome, tone = _outcome(seen)
    return ArmView(
        name=seen.arm, outcome=outcome, tone=tone, exit=_exit(seen), seconds=seen.seconds,
        unresolved=seen.unresolved, rate=_rate(result.rates.get(seen.arm)),
        drawn=tuple(_drawn(main)), sound=tuple(_sound(result, seen)),
        undrawn=Capped.of([one.signature for one in main.faults[DRAWN:]]),
        points=len(seen.points), faulty=Capped.of(list(_faulty(seen))), findings=Capped.of(_findings(seen)),
        results=_values(main, main.results),
        compared=_values(main, main.compared),
        notes=Capped.of(main.notes), events=len(main.trace), digest=main.digest if seen.points else "",
        log=seen.log, log_text=logs.get(seen.arm),
        attestation=Capped.of(list(_attestation(seen))), patches=Capped.of(list(_patches(seen))),
    )  # fmt: skip


def _outcome(seen: Observation) -> tuple[str, str]:
    if seen.unresolved:
        return "unresolved", "odd"
    if not any(point.faults for point in seen.points):
        return "clean", "good"
    word = "signature" if all(point.only_signatures for point in seen.points) else "fault"
    return (word if seen.main.faults else f"{word} at other points"), "bad"


def _exit(seen: Observation) -> str:
    how = seen.exit
    code = f"code {how.code}" if how.code is not None else None
    return ", ".join(word for word in (how.how, how.signal, code, how.message) if word)


def _rate(rate: Mapping[str, Any] | None) -> str:
    """An arm's rate over repeats, with Wilson's 95 % interval."""
    if not rate:
        return ""
    return f"faults in {rate['faults']} of {rate['runs']} runs ({rate['low']:.0%} to {rate['high']:.0%})"


def _drawn(point: Point) -> Iterator[FaultView]:
    for fault in point.faults[:DRAWN]:
        strip = draw(fault, point.trace) or draw_seen(fault)
        place = fault.seen.place if fault.seen else None
        yield FaultView(signature=fault.signature, strip=strip, place=place)


def _sound(result: Result, seen: Observation) -> Iterator[Strip]:
    """The buffers that the other arm's faults hit, where they stay whole in this arm."""
    others = (arm for arm in result.arms.values() if arm is not seen)
    own = {fault.buffer for fault in seen.main.faults}
    told: set[str] = set()
    for fault in (fault for other in others for fault in other.main.faults[:DRAWN]):
        strip = None if fault.buffer in own else draw_sound(fault, seen.main.trace)
        if strip and strip.told not in told:
            told.add(strip.told)
            yield strip


def _faulty(seen: Observation) -> Iterator[tuple[str, str]]:
    """The points besides the default one that fault: parameters, signatures."""
    for point in seen.points[1:]:
        if point.faults:
            yield named(seen.main, point), "; ".join(fault.signature for fault in point.faults)


def _findings(seen: Observation) -> list[str]:
    places: dict[str, int] = {}
    for point in seen.points:
        for finding in point.findings:
            places[finding.signature] = places.get(finding.signature, 0) + 1
    return [
        text if len(seen.points) == 1 else f"{text} (at {count} of {len(seen.points)} points)"
        for text, count in places.items()
    ]


def _values(point: Point, values: Mapping[str, Any]) -> Capped:
    """Results by name, but for answers to requests: those are laid under each other, token by token."""
    told = tokens.answered(point) > 0
    return Capped.of(
        [f"{name}: {cut(value)}" for name, value in values.items() if not (told and name == "requests")]
    )


def _attestation(seen: Observation) -> Iterator[str]:
    if seen.attestation is None:
        yield "none"
        return
    yield f"tree {seen.attestation.tree[:16]}"
    for module in seen.attestation.modules:
        yield f"{module.path} {module.sha256[:16]}"
    yield f"entered {', '.join(seen.attestation.entered) or 'nothing'}"
    yield from (f"process {role}" for role in seen.attestation.processes)


def _patches(seen: Observation) -> Sequence[str]:
    return seen.attestation.patches if seen.attestation else ()

"""What follows from what: of all that a log tells of, the faults that nothing before them explains."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.facts import FaultKind
from harness.observation import Fault
from harness.serving.events import Event

_PEER_GONE = re.compile(
    r"[Cc]onnection (?:closed|reset|refused)|[Bb]roken pipe|BrokenPipe|EOFError|ncclRemoteError"
    r"|remote process exited"
)
_NUMBERS = re.compile(r"-?\d+(?:\.\d+)?")
_BROKEN = (FaultKind.DEVICE_FAULT, FaultKind.NAN)
_GENERIC = re.compile(r"device-side assert triggered")


@dataclass(frozen=True)
class Causes:
    """The faults in the order in which they came, and the shortage and the lost storage, if any."""

    faults: tuple[Fault, ...] = ()
    lacking: str | None = None
    storage: str | None = None


def of(events: Sequence[Event]) -> Causes:
    """The causes among events, which are in the log's order."""
    kept: list[Event] = []
    lacking: str | None = None
    for event in events:
        if event.lacking:
            lacking = lacking or (None if _ended(kept) else event.lacking)
        elif event.fault and not _explained(event, event.fault, kept, lacking):
            kept.append(event)
    storage = next((event.storage for event in events if event.storage), None)
    specific = _without_generic(kept)
    faults = tuple(event.fault for event in _merged(specific) if event.fault)
    return Causes(faults, lacking, storage)


def _ended(kept: Sequence[Event]) -> bool:
    return bool(_endings(kept))


def _endings(kept: Sequence[Event]) -> list[Event]:
    """What may explain what comes after it: a leak does not."""
    return [one for one in kept if one.ends and one.fault and one.fault.kind != FaultKind.LEAK]


def _explained(event: Event, fault: Fault, kept: list[Event], lacking: str | None) -> bool:
    """Whether something before explains it; then it lends that its process, if that one's is not known."""
    if before := _endings(kept):
        return _follows(event, fault, before, kept)
    return lacking is not None and fault.sort.ends and fault.kind != FaultKind.DEVICE_FAULT


def _follows(event: Event, fault: Fault, before: Sequence[Event], kept: list[Event]) -> bool:
    kinds = {one.fault.kind for one in before if one.fault}
    if fault.kind in (FaultKind.CRASH, FaultKind.HANG):
        return True if event.weight != "cause" or fault.kind == FaultKind.HANG else bool(kinds)
    broken = FaultKind.DEVICE_FAULT in kinds or (FaultKind.NAN in kinds and event.weight == "echo")
    if fault.kind == FaultKind.DEVICE_FAULT and event.weight == "echo" and broken:
        _lend(fault, kept)
        return True
    if fault.kind == FaultKind.EXCEPTION:
        if kinds & {FaultKind.DEVICE_FAULT, FaultKind.HANG}:
            _lend(fault, kept)
            return True
        return bool(_PEER_GONE.search(fault.message or ""))
    return False


def _lend(fault: Fault, kept: list[Event]) -> None:
    """The call that met a broken device names the process that nothing told before."""
    for number, event in enumerate(kept):
        if event.fault and event.fault.kind in _BROKEN and not event.fault.process:
            kept[number] = replace(event, fault=replace(event.fault, process=fault.process))


def _without_generic(kept: Sequence[Event]) -> list[Event]:
    """An assertion that the device names stands for every report that one was hit."""
    told = [one.fault.kind for one in kept if one.fault and one.weight == "cause"]
    if FaultKind.DEVICE_FAULT not in told:
        return list(kept)
    return [one for one in kept if not (one.fault and _GENERIC.search(one.fault.message or ""))]


def _merged(events: Sequence[Event]) -> list[Event]:
    """What several ranks say in the same words once, as the first rank says it: ranks race to write."""
    found: dict[tuple[str, str], Event] = {}
    for event in events:
        assert event.fault
        key = (event.fault.kind, _NUMBERS.sub("N", event.fault.message or ""))
        known = found.get(key)
        found[key] = event if known is None else _first(known, event)
    return list(found.values())


def _first(one: Event, other: Event) -> Event:
    first = min(
        one, other, key=lambda event: (event.ranks or "~", event.fault.message if event.fault else "")
    )
    process = next((each.fault.process for each in (one, other) if each.fault and each.fault.process), None)
    assert first.fault
    return replace(first, fault=replace(first.fault, process=first.fault.process or process))

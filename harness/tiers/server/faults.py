"""Puts together what the oracle, the answers and the log tell of one server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from harness.facts import Watch
from harness.observation import Fault, Sighting
from harness.serving.ending import Ending
from harness.tiers.server.processes import Violation

_TOLD = 2
"""Strays that are told in full; of the rest only how many there are."""


def split(
    watch: Watch, violations: Sequence[Violation], answered: Sequence[Fault], ending: Ending
) -> tuple[tuple[Fault, ...], tuple[Fault, ...], tuple[str, ...]]:
    """Faults, findings and notes.

    Counts and extents of a server's stray accesses depend on how its scheduler batched: a fault is
    named without its numbers, which it has as those of its first sight.
    """
    left = tuple(_left_behind(ending))
    seen = _once([*map(sighted, violations), *answered, *ending.faults, *left])
    faults = tuple(fault for fault in seen if watch.judges(fault.kind, fault.buffer))
    findings = tuple(fault for fault in seen if not watch.judges(fault.kind, fault.buffer))
    return faults, findings, tuple(_notes(violations))


def numberless(fault: Fault) -> Fault:
    """What a fault is, without its extent."""
    return replace(fault, numel=None, first=None, last=None, count=None, needed=None)


def sighted(violation: Violation) -> Fault:
    """A stray's fault without its extent, and that as what was seen."""
    fault = violation.fault
    extent = {name: getattr(fault, name) for name in ("numel", "first", "last", "count", "needed")}
    seen = Sighting(place=violation.place, requests=violation.requests, mode=violation.mode, **extent)
    return replace(numberless(fault), seen=seen)


def _once(faults: Iterable[Fault]) -> list[Fault]:
    """Equal faults once, as the first of them was seen."""
    return sorted(dict.fromkeys(faults), key=lambda fault: fault.signature)


def _left_behind(ending: Ending) -> Iterator[Fault]:
    """What the server should have taken along: processes, ports, shared memory."""
    for what, names in (("process", ending.survivors), ("port", ending.occupied)):
        for name in names:
            yield Fault(kind="leak", buffer=f"{what} {name}")


def _notes(violations: Sequence[Violation]) -> Iterator[str]:
    for violation in violations[:_TOLD]:
        requests = ", ".join(violation.requests) or "no request"
        place = violation.place or "no known line"
        yield f"{violation.fault.signature}, {violation.mode} of {requests}, at {place}"
    if len(violations) > _TOLD:
        yield f"{len(violations) - _TOLD} more strays of the same server"

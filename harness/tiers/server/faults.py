"""Puts together what the oracle, the answers and the log tell of one server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from harness.facts import Watch
from harness.observation import Fault, Sighting, parted
from harness.serving.ending import Ending
from harness.tiers.server.processes import Violation

_TOLD = 2
"""Violations that are told in full; of the rest only how many there are."""


def split(
    watch: Watch, violations: Sequence[Violation], answered: Sequence[Fault], ending: Ending
) -> tuple[tuple[Fault, ...], tuple[Fault, ...], tuple[str, ...]]:
    """Faults, findings and notes.

    Counts and extents of a server's stray accesses depend on how its scheduler batched: a fault is
    named without its numbers, which it has as those of its first sight.
    """
    left = tuple(_left_behind(ending))
    seen = _once([*map(sighted, violations), *answered, *ending.faults, *left])
    return *parted(seen, watch), tuple(_notes(violations))


def sighted(violation: Violation) -> Fault:
    """A stray's fault without its extent, and that as what was seen."""
    fault = violation.fault
    seen = Sighting(place=violation.place, requests=violation.requests, mode=violation.mode, **fault.extent)
    return replace(fault.unmeasured(), seen=seen)


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

"""Puts together what the oracle, the answers and the log tell of one server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from harness.facts import FaultKind, Watch
from harness.memory.device.gone import words
from harness.observation import Fault, Sighting, parted
from harness.serving.ending import Ending
from harness.tiers.server.processes import Violation

_STRAYS = (FaultKind.INDEX_RANGE, FaultKind.OOB_WRITE)
"""What overwrites memory that others rely on."""
_TOLD = 2
"""Violations that are told in full; of the rest only how many there are."""


def split(
    watch: Watch, violations: Sequence[Violation], answered: Sequence[Fault], ending: Ending
) -> tuple[tuple[Fault, ...], tuple[Fault, ...], tuple[str, ...]]:
    """Faults, findings and notes.

    A device fault of a process in which a judged stray came before is a finding: what the stray overwrote
    decides whether there is one, when, and in whose words.

    Counts and extents of a server's stray accesses depend on how its scheduler batched: a fault is
    named without its numbers, which it has as those of its first sight.
    """
    left = tuple(_left_behind(ending))
    ended = [_context(fault) for fault in ending.faults]
    seen = _once([*map(sighted, violations), *answered, *ended, *left])
    faults, findings = parted(seen, watch)
    chance = [fault for fault in faults if _follows(fault, faults)]
    judged = tuple(fault for fault in faults if fault not in chance)
    return judged, (*findings, *chance), (*_notes(violations), *_last_words(ending.faults, ended))


def _context(fault: Fault) -> Fault:
    """A device fault as the end of its process's context, whichever call met it."""
    if fault.kind != FaultKind.DEVICE_FAULT or not fault.message:
        return fault
    return replace(fault, message=words(fault.message) or fault.message)


def _follows(fault: Fault, judged: Sequence[Fault]) -> bool:
    """Whether it is a device fault behind a stray of the same process."""
    strays = [one for one in judged if one.sort in _STRAYS and _role(one) == _role(fault)]
    return fault.kind == FaultKind.DEVICE_FAULT and bool(strays)


def _role(fault: Fault) -> str:
    """Its process without the ranks."""
    return (fault.process or "").partition(" ")[0]


def _last_words(told: Sequence[Fault], kept: Sequence[Fault]) -> Iterator[str]:
    """What the faults said that are kept in other words."""
    for fault, other in zip(told, kept, strict=True):
        if fault != other:
            yield f"device fault in {fault.process or 'the server'}: {fault.message}"


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
        yield f"{len(violations) - _TOLD} more findings of the same server"

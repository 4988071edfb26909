"""Holds programs that ran at once against the same programs run one after another, launch by launch.

Asked for with REFAULT_CHECK_GRID=1. Memory, strays with their places, and the event in the trace have to be
the same, to the bit; and what was undone in between has to be undone.
"""

from __future__ import annotations

import ctypes
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.errors import Unresolved
from harness.memory.launch import Launch
from harness.memory.violations import Violations
from harness.memory.windows import Argument, Extent

COMPARED = "at once and in turn, compared"
DIFFERENT = "programs at once are not programs in turn"
VARIABLE = "REFAULT_CHECK_GRID"
_NOTE = "launches that ran "


def asked_for() -> bool:
    """Whether every launch of this process is to be run both ways."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")


def notes(ran: Mapping[str, int]) -> list[str]:
    """How launches ran, where that was asked for: those of several programs, by how, with their number."""
    if not asked_for():
        return []
    return [f"{_NOTE}{how}: {times}" for how, times in sorted(ran.items())]


def counted(told: Iterable[str]) -> Counter[str]:
    """The counts that such notes tell, among others."""
    found: Counter[str] = Counter()
    for note in (one.removeprefix(_NOTE) for one in told if one.startswith(_NOTE)):
        how, _, times = note.rpartition(": ")
        found[how] += int(times)
    return found


@dataclass(frozen=True)
class Outcome:
    """What a launch came to: the bytes of its buffers by address, its event, its faults and their places."""

    memory: dict[tuple[int, int], bytes]
    event: dict[str, Any]
    strays: list[tuple[Any, Any]]

    @classmethod
    def of(cls, launch: Launch, violations: Violations) -> Outcome:
        strays = [(fault, fault.seen) for fault in violations.faults()]
        return cls(memory(launch), launch.event(), strays)

    def differences(self, other: Outcome) -> Iterator[str]:
        """What is not the same in the two, in words."""
        for part in ("memory", "strays"):
            if getattr(self, part) != getattr(other, part):
                yield f"{part}: {_first_of(self, part)} at once, {_first_of(other, part)} in turn"
        if self.event != other.event:
            yield f"trace: {self.event} at once, {other.event} in turn"


def _first_of(outcome: Outcome, part: str) -> str:
    if part == "strays":
        return "; ".join(f"{fault.signature} at {seen.place}" for fault, seen in outcome.strays) or "none"
    return ", ".join(f"{len(held)} bytes, {hash(held) & 0xFFFF:x}" for held in outcome.memory.values())


def memory(launch: Launch) -> dict[tuple[int, int], bytes]:
    """What the buffers of a launch hold now."""
    spans = {_span(argument) for argument in launch.arguments}
    return {(start, length): ctypes.string_at(start, length) for start, length in sorted(spans) if length > 0}


def _span(argument: Argument) -> tuple[int, int]:
    return argument.real + argument.floor, argument.nbytes - argument.floor


def hold(launch: Launch, at_once: Outcome, in_turn: Outcome) -> None:
    """Raise Unresolved where the two ways of a launch differ."""
    if told := "; ".join(at_once.differences(in_turn)):
        raise _failure(launch, told)


def hold_undone(launch: Launch, before: dict[tuple[int, int], bytes]) -> None:
    """Raise Unresolved where the buffers of a launch do not hold what they held before."""
    if any(ctypes.string_at(*span) != held for span, held in before.items()):
        raise _failure(launch, "what was done at once is not all undone")


def _failure(launch: Launch, told: str) -> Unresolved:
    grid = "x".join(map(str, launch.grid))
    return Unresolved(f"{launch.kernel}, grid {grid}: {DIFFERENT}: {told}")


@contextmanager
def extents_kept(launch: Launch) -> Iterator[None]:
    """What was noted as touched while the block runs is forgotten behind it."""
    kept = [(one, one.read, one.written) for one in launch.arguments]
    for argument, read, written in kept:
        argument.read, argument.written = _copy(read), _copy(written)
    try:
        yield
    finally:
        for argument, read, written in kept:
            argument.read, argument.written = read, written


def _copy(extent: Extent) -> Extent:
    return Extent(extent.first, extent.last)

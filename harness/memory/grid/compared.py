"""Holds programs that ran at once against the same programs run one after another, launch by launch.

Asked for with REFAULT_CHECK_GRID=1. Memory, strays with their places, whether stores race, and the event in
the trace have to be the same, to the bit; and what was rolled back in between has to be as it was.
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
from harness.memory.grid.races import UNJUDGED
from harness.memory.launch import Launch
from harness.memory.stores import Written
from harness.memory.violations import Violations
from harness.memory.windows import Argument

COMPARED = "at once and in turn, compared"
DIFFERENT = "programs at once are not programs in turn"
VARIABLE = "REFAULT_CHECK_GRID"
LARGEST = 256 << 20
"""Bytes of a buffer that are copied to compare them. Of a larger one the event alone is compared, whose
digest is of all that was stored."""
_NOTE = "launches that ran "


def asked_for() -> bool:
    """Whether every launch of this process is to be run both ways."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")


def notes(ran: Mapping[str, int]) -> list[str]:
    """How launches ran, with their number: all of them where that was asked for, else those not judged."""
    told = ran if asked_for() else {how: ran[how] for how in (UNJUDGED,) if how in ran}
    return [f"{_NOTE}{how}: {times}" for how, times in sorted(told.items())]


def counted(told: Iterable[str]) -> Counter[str]:
    """The counts that such notes tell, among others."""
    found: Counter[str] = Counter()
    for note in (one.removeprefix(_NOTE) for one in told if one.startswith(_NOTE)):
        how, _, times = note.rpartition(": ")
        found[how] += int(times)
    return found


@dataclass(frozen=True)
class Outcome:
    """What a launch came to: the bytes of its buffers by address, its event, its faults and their places.

    `race` says whether two of its stores to one element disagree.
    """

    memory: dict[tuple[int, int], bytes]
    event: dict[str, Any]
    strays: list[tuple[Any, Any]]
    race: bool

    @classmethod
    def of(cls, launch: Launch, violations: Violations) -> Outcome:
        strays = [(fault, fault.seen) for fault in violations.faults()]
        race = launch.written is not None and launch.written.race
        return cls(memory(launch), launch.event(), strays, race)

    def differences(self, other: Outcome) -> Iterator[str]:
        """What is not the same in the two, in words."""
        for part in ("memory", "strays"):
            if getattr(self, part) != getattr(other, part):
                yield f"{part}: {_first_of(self, part)} at once, {_first_of(other, part)} in turn"
        if self.race != other.race:
            yield f"race: {self.race} at once, {other.race} in turn"
        if self.event != other.event:
            yield f"trace: {self.event} at once, {other.event} in turn"


def _first_of(outcome: Outcome, part: str) -> str:
    if part == "strays":
        return "; ".join(f"{fault.signature} at {seen.place}" for fault, seen in outcome.strays) or "none"
    return ", ".join(f"{len(held)} bytes, {hash(held) & 0xFFFF:x}" for held in outcome.memory.values())


def memory(launch: Launch) -> dict[tuple[int, int], bytes]:
    """What the buffers of a launch hold now."""
    spans = sorted({_span(argument) for argument in launch.arguments})
    return {span: ctypes.string_at(*span) for span in spans if 0 < span[1] <= LARGEST}


def _span(argument: Argument) -> tuple[int, int]:
    return argument.real + argument.floor, argument.nbytes - argument.floor


def hold(launch: Launch, at_once: Outcome, in_turn: Outcome) -> None:
    """Raise Unresolved where the two ways of a launch differ."""
    if told := "; ".join(at_once.differences(in_turn)):
        raise _failure(launch, told)


def hold_undone(launch: Launch, before: dict[tuple[int, int], bytes]) -> None:
    """Raise Unresolved where the buffers of a launch do not hold what they held before."""
    if any(ctypes.string_at(*span) != held for span, held in before.items()):
        raise _failure(launch, "what was done at once is not all rolled back")


def _failure(launch: Launch, told: str) -> Unresolved:
    grid = "x".join(map(str, launch.grid))
    return Unresolved(f"{launch.kernel}, grid {grid}: {DIFFERENT}: {told}")


@contextmanager
def noted_apart(launch: Launch) -> Iterator[None]:
    """What a launch that begins noted while the block runs is forgotten behind it."""
    written, launch.written = launch.written, Written() if launch.written is not None else None
    try:
        yield
    finally:
        launch.written = written
        for argument in launch.arguments:
            argument.forget()

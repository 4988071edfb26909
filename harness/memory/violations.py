"""Collects what the detectors saw and merges it: one (kind, buffer, kernel) is one fault.

How it counts: an access past a buffer (`oob-write`, `oob-read`) counts the distinct elements it
touched, however often; an index past its dimension (`index-range`) counts every stray entry of
every index tensor, because many of them may name one place. Two buffers of one name but of
different sizes are two faults, since their numbers have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.observation import Fault, Sighting

Elements = npt.NDArray[np.int64]

Key = tuple[str, str | None, str | None, int | None, str | None]


@dataclass(frozen=True)
class Where:
    """The place of an access in the source: the first one of a fault is kept.

    Of a race it has two; `other` is the second.
    """

    line: str
    program: tuple[int, int, int] | None = None
    other: Where | None = None

    def __str__(self) -> str:
        told = f"{self.line}, program {self.program}" if self.program else self.line
        return f"{told}, and {self.other}" if self.other else told


class _Violation:
    """A fault and its stray elements, kept distinct, or the ends and the number of its stray indices."""

    def __init__(self, fault: Fault, where: Where | None) -> None:
        self.fault = fault
        self.where = where
        self._distinct = np.empty(0, dtype=np.int64)
        self._pending: list[Elements] = []
        self._indices = 0

    def touch(self, elements: Elements) -> None:
        self._pending.append(elements)
        # Merging costs as much as what is known is long, so it waits for as much to be new.
        if sum(map(len, self._pending)) > len(self._distinct):
            self._merge()

    def index(self, indices: Elements) -> None:
        self._indices += indices.size
        self._distinct = np.array(
            [min([indices.min(), *self._distinct]), max([indices.max(), *self._distinct])]
        )

    def told(self) -> Fault:
        self._merge()
        first, last = int(self._distinct[0]), int(self._distinct[-1])
        told = replace(self.fault, first=first, last=last, count=self._indices or self._distinct.size)
        return _seen(told, self.where)

    def _merge(self) -> None:
        if self._pending:
            self._distinct = np.unique(np.concatenate((self._distinct, *self._pending)))
            self._pending = []


class Violations:
    """The faults of one run of a case, in order of first sight."""

    def __init__(self) -> None:
        self._violations: dict[Key, _Violation] = {}
        self._plain: dict[Fault, Where | None] = {}

    def access(self, fault: Fault, elements: Elements, where: Where | None = None) -> None:
        """Add elements that were touched past a buffer; at least one."""
        self._of(fault, where).touch(elements)

    def index(self, fault: Fault, indices: Elements, where: Where | None = None) -> None:
        """Add entries of an index tensor that lie outside their dimension; at least one."""
        self._of(fault, where).index(indices)

    def add(self, fault: Fault, where: Where | None = None) -> None:
        """Add a fault that has its numbers already; the same one twice is one."""
        self._plain.setdefault(fault, where)

    def _of(self, fault: Fault, where: Where | None) -> _Violation:
        key = (fault.kind, fault.buffer, fault.kernel, fault.numel, fault.message)
        return self._violations.setdefault(key, _Violation(fault, where))

    def faults(self) -> Iterable[Fault]:
        yield from (violation.told() for violation in self._violations.values())
        yield from (_seen(fault, where) for fault, where in self._plain.items())


def _seen(fault: Fault, where: Where | None) -> Fault:
    """The fault with its own place, which identifies nothing."""
    return replace(fault, seen=Sighting(place=str(where))) if where else fault

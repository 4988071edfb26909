"""Collects what the detectors saw and merges it: one (kind, buffer, kernel) is one fault.

How it counts: an access past a buffer (`oob-write`, `oob-read`) counts the distinct elements it
touched, however often; an index past its dimension (`index-range`) counts every stray entry of
every index tensor, because many of them may name one place. Two buffers of one name but of
different sizes are two faults, since their numbers have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.observation import Fault

Elements = npt.NDArray[np.int64]

Key = tuple[str, str | None, str | None, int | None, str | None]


@dataclass(frozen=True)
class Where:
    """The place of a stray access in the source: the first one of a fault is kept."""

    line: str
    program: tuple[int, int, int] | None = None

    def __str__(self) -> str:
        return f"{self.line}, program {self.program}" if self.program else self.line


@dataclass(frozen=True)
class _Stray:
    """A fault with its distinct elements (accesses past a buffer) or its count (indices)."""

    fault: Fault
    elements: Elements
    where: Where | None
    count: int | None = None

    def merged(self, other: _Stray) -> _Stray:
        if self.count is None:
            return replace(self, elements=np.union1d(self.elements, other.elements))
        ends = np.concatenate((self.elements, other.elements))
        return replace(self, elements=_ends(ends), count=self.count + (other.count or 0))

    def told(self) -> Fault:
        count = self.elements.size if self.count is None else self.count
        first, last = int(self.elements[0]), int(self.elements[-1])
        return replace(self.fault, first=first, last=last, count=int(count))


def _ends(elements: Elements) -> Elements:
    return np.array([elements.min(), elements.max()], dtype=np.int64)


class Strays:
    """The faults of one run of a case, in order of first sight."""

    def __init__(self) -> None:
        self._strays: dict[Key, _Stray] = {}
        self._plain: dict[Fault, Where | None] = {}

    def access(self, fault: Fault, elements: Elements, where: Where | None = None) -> None:
        """Add elements that were touched past a buffer; at least one."""
        self._merge(_Stray(fault, np.unique(elements), where))

    def index(self, fault: Fault, indices: Elements, where: Where | None = None) -> None:
        """Add entries of an index tensor that lie outside their dimension; at least one."""
        self._merge(_Stray(fault, _ends(indices), where, count=int(indices.size)))

    def add(self, fault: Fault, where: Where | None = None) -> None:
        """Add a fault that has its numbers already; the same one twice is one."""
        self._plain.setdefault(fault, where)

    def _merge(self, stray: _Stray) -> None:
        fault = stray.fault
        key = (fault.kind, fault.buffer, fault.kernel, fault.numel, fault.message)
        known = self._strays.get(key)
        self._strays[key] = known.merged(stray) if known else stray

    def faults(self) -> Iterable[Fault]:
        yield from (stray.told() for stray in self._strays.values())
        yield from self._plain

    def places(self) -> dict[str, Any]:
        """Where each access fault was first seen, by "kind buffer": for people, not for goldens."""
        seen = [(stray.fault, stray.where) for stray in self._strays.values()] + list(self._plain.items())
        found: dict[str, Any] = {}
        for fault, where in seen:
            if where:
                found.setdefault(f"{fault.kind} {fault.buffer}", str(where))
        return found

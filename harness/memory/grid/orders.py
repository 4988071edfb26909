"""Which memory depends on the order of a launch's programs, from what they did in any one order.

A unit of memory does where two programs leave different values in it, or where one loads it and another
stores something else there than the first would find without it. What programs store is taken as it was
seen. Where nothing depends on the order, each program does the same in every order, so that it does not
matter in which of them it was looked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from harness.memory.grid.records import Access, Memory, Values
from harness.memory.grid.touches import LARGEST
from harness.memory.stores import last_of_each_program
from harness.memory.windows import Addresses

Numbers = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.bool_]


class Store(NamedTuple):
    """At a line of the kernel, the `values` that are stored lane by lane, and what memory held `before`."""

    line: int
    values: Values
    before: Memory


class Step(NamedTuple):
    """An access of a program, and what it stores if it does."""

    access: Access
    program: int
    store: Store | None = None


def near(accesses: Sequence[Access], programs: Numbers) -> Iterator[Numbers]:
    """Places of accesses whose extents overlap, where several of their programs do so and one of them stores.

    Nothing is asked of the elements of the others.
    """
    if not accesses:
        return
    lows = np.array([access.low for access in accesses])
    highs = np.array([access.high for access in accesses])
    stores = np.array([access.writes for access in accesses])
    order = np.argsort(lows, kind="stable")
    starts = np.flatnonzero(np.append(True, lows[order][1:] >= np.maximum.accumulate(highs[order])[:-1]))
    several = _least(programs[order], starts) != _most(programs[order], starts)
    met = several & np.logical_or.reduceat(stores[order], starts)
    for start, end in zip(starts[met], np.append(starts[1:], len(order))[met], strict=True):
        yield np.sort(order[start:end])


@dataclass(frozen=True)
class Deeds:
    """What programs did to units of memory, by unit, program and step; all arrays have one length.

    `units` are addresses by `size`, the bytes of a unit. Of a load `values` and `before` are 0.
    """

    size: int
    units: Numbers
    programs: Numbers
    steps: Numbers
    stores: Rows
    values: Bits
    before: Bits

    @classmethod
    def of(cls, steps: Sequence[Step]) -> Deeds | None:
        """Those to units that several programs touch and one of them stores to; None if there is no such."""
        chosen = [step.access.addresses[step.access.lanes] for step in steps]
        size = _size(steps, chosen)
        units = [_units(at, step.access.width, size) for at, step in zip(chosen, steps, strict=True)]
        which = np.repeat(np.arange(len(steps)), [len(one) for one in units])
        programs = np.array([step.program for step in steps])[which]
        stores = np.array([step.store is not None for step in steps])[which]
        all_units = np.concatenate(units)
        kept = _shared(all_units, programs, stores)
        if not kept.any():
            return None
        values, before = (
            np.concatenate([_bits(*one, size) for one in zip(steps, side, units, strict=True)])
            for side in _sides(steps)
        )
        deeds = cls(size, all_units, programs, which, stores, values, before).chosen(kept)
        return deeds.chosen(np.lexsort((deeds.steps, deeds.programs, deeds.units)))

    def chosen(self, rows: Any) -> Deeds:
        """Some of them."""
        columns = (self.units, self.programs, self.steps, self.stores, self.values, self.before)
        return Deeds(self.size, *(column[rows] for column in columns))

    def dependent(self) -> Numbers:
        """The units that depend on the order of programs, each once, from the lowest on."""
        return np.unique(np.concatenate((self._left_either(), self._loaded_either())))

    def clash(self, unit: int) -> tuple[int, int]:
        """Two steps of different programs that such a unit depends on; the first is a store."""
        return next(self.chosen(self.units == unit)._clashes())

    def _clashes(self) -> Iterator[tuple[int, int]]:
        """All such pairs, of one unit."""
        left, loads = self.chosen(self._left()), self.chosen(~self.stores)
        yield from _differing(left, left.values, left)
        for load, store in _differing(loads, self._expected()[~self.stores], self.chosen(self.stores)):
            yield store, load

    # --- what depends ----------------------------------------------------------------------------

    def _left(self) -> Rows:
        """The last store of each program to each unit: all lanes of it."""
        rows = np.flatnonzero(self.stores)
        stores = self.chosen(rows)
        left = np.zeros(len(self.units), dtype=bool)
        left[rows[last_of_each_program(stores.units.view(np.uint64), stores.programs, stores.steps)]] = True
        return left

    def _left_either(self) -> Numbers:
        """Units in which programs leave different values.

        Where only the lanes of one store disagree, another program loads the unit, and so either value.
        """
        left = self.chosen(self._left())
        starts = _starts(left.units)
        differ = _least(left.values, starts) != _most(left.values, starts)
        return np.asarray(left.units[starts[differ]])

    def _loaded_either(self) -> Numbers:
        """Units that a program loads, and another stores something else to than would be there without it."""
        loads = self.chosen(~self.stores)
        found, stores = self._expected()[~self.stores], self.chosen(self.stores)
        units, programs = (stores.units, loads.units), (stores.programs, loads.programs)
        values = (stores.values, found)
        others = _times(units) - _times(units, programs)
        same = _times(units, values) - _times(units, programs, values)
        return loads.units[others > same]

    def _expected(self) -> Bits:
        """What each deed finds in its unit if no other program stores there: its own last store, or what was
        there at first."""
        rows = np.arange(len(self.units))
        own = np.maximum.accumulate(np.where(self.stores, rows, -1))
        starts = _starts(self.units, self.programs)
        first = np.repeat(starts, np.diff(starts, append=len(rows)))
        return np.where(own >= first, self.values[np.maximum(own, 0)], self._at_first())

    def _at_first(self) -> Bits:
        """What was in each deed's unit before the launch: before the first of all stores to it."""
        stores = self.chosen(self.stores)
        order = np.lexsort((stores.steps, stores.units))
        starts = _starts(stores.units[order])
        firsts = stores.chosen(order[starts])
        return firsts.before[np.searchsorted(firsts.units, self.units)]


def _differing(some: Deeds, values: Bits, others: Deeds) -> Iterator[tuple[int, int]]:
    """Steps of some deeds to one unit, and of others that are another program's and not of these values."""
    for step, program, value in zip(some.steps.tolist(), some.programs, values, strict=True):
        differ = (others.programs != program) & (others.values != value)
        yield from ((step, other) for other in others.steps[differ].tolist())


# --- units of steps ------------------------------------------------------------------------------


def _size(steps: Sequence[Step], chosen: Sequence[Addresses]) -> int:
    """The widest unit of which all accesses are multiples."""
    size = math.gcd(*(step.access.width for step in steps))
    bits = np.bitwise_or.reduce([np.bitwise_or.reduce(at) for at in chosen])
    return size if int(bits) % size == 0 else 1


def _units(addresses: Addresses, width: int, size: int) -> Numbers:
    first: Numbers = (addresses // np.uint64(size)).view(np.int64)
    return first if width == size else np.asarray((first[:, None] + np.arange(width // size)).reshape(-1))


def _sides(steps: Sequence[Step]) -> Iterator[list[Memory | None]]:
    """What each step stored, and what it overwrote."""
    yield [step.store and step.store.values for step in steps]
    yield [step.store and step.store.before for step in steps]


def _bits(step: Step, memory: Memory | None, units: Numbers, size: int) -> Bits:
    """What memory is told to hold in each unit of a step."""
    if memory is None:
        return np.zeros(len(units), dtype=np.uint64)
    if isinstance(memory, bytes):
        return np.frombuffer(memory, f"u{size}")[units - step.access.low // size].astype(np.uint64)
    return np.ascontiguousarray(memory[step.access.lanes]).view(f"u{size}").astype(np.uint64)


def _shared(units: Numbers, programs: Numbers, stores: Rows) -> Rows:
    """Which units several programs touch, and one of them stores to."""
    at = units - units.min()
    if at.max() > LARGEST:
        at = np.unique(units, return_inverse=True)[1]
    last = np.empty(at.max() + 1, dtype=np.int64)
    last[at] = programs
    several, stored = np.zeros((2, len(last)), dtype=bool)
    several[at[last[at] != programs]] = True
    stored[at[stores]] = True
    return np.asarray((several & stored)[at])


# --- groups of equal numbers, which lie together --------------------------------------------------


def _starts(*columns: npt.NDArray[Any]) -> Numbers:
    """Where each group begins."""
    new = np.ones(len(columns[0]), dtype=bool)
    new[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return np.flatnonzero(new)


def _least(numbers: npt.NDArray[Any], starts: Numbers) -> npt.NDArray[Any]:
    return np.asarray(np.minimum.reduceat(numbers, starts))


def _most(numbers: npt.NDArray[Any], starts: Numbers) -> npt.NDArray[Any]:
    return np.asarray(np.maximum.reduceat(numbers, starts))


def _times(*columns: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> Numbers:
    """How often each row that is asked for is there: columns of the rows there, and of those asked for."""
    there = len(columns[0][0])
    code = np.zeros(there + len(columns[0][1]), dtype=np.int64)
    for column in columns:
        _, ranks = np.unique(np.concatenate(column), return_inverse=True)
        _, code = np.unique(code * (len(code) + 1) + ranks, return_inverse=True)
    return np.bincount(code[:there], minlength=len(code))[code[there:]]

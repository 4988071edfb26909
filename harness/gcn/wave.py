"""The state of one wave of 64 lanes: its registers, its mask, and what it still waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from harness.gcn.space import Space

LANES = 64
VCC, M0, EXEC = 106, 124, 126
"""Numbers of the scalar registers with a name (CDNA3 ISA, section 5.1)."""
ACCUMULATORS = 256
"""Where accumulation registers begin among the vector registers: both are one file (CDNA3 ISA, 3.6.4)."""
_VECTORS = 512
_SCALARS = 128
_NEVER_WRITTEN = 0x7FDBDEAD
"""What a register holds before it is written: a NaN, no index and no address."""
ALL = (1 << LANES) - 1
_WORD, _LONG = (1 << 32) - 1, (1 << 64) - 1
_MASKS_KEPT = 4096

Words = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]
Octets = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]


Scalar = int | tuple[int, ...]
"""A value that all waves side by side have, or one for each where they differ."""


class Diverged(Exception):
    """Waves side by side have to be run one by one. Raised before an instruction has changed anything.

    `meet` is where they may come together again: at the target of a branch that some of them take; None for
    behind the instruction.
    """

    def __init__(self, meet: int | None = None) -> None:
        super().__init__(meet)
        self.meet = meet


class Wave:
    """One wave, or `size` of them that stand at the same instruction, with their lanes side by side.

    Vector registers are seen as `v` (uint32), `i` (int32) and `f` (float32), [512, 64 * size] each, or as
    many `vectors` as a kernel names. `scalars` are Python's integers, tuples where the waves differ. `mask`
    is EXEC lane by lane, and is set through `write` alone. `number` is that of the first wave.
    """

    def __init__(
        self, number: int, local: Octets, space: Space, size: int = 1, registers: Words | None = None,
        vectors: int = _VECTORS,
    ) -> None:  # fmt: skip
        self.number, self.size = number, size
        self.local, self.space = local, space
        self.scratch: Octets | None = None
        self.scalars: list[Scalar] = [_NEVER_WRITTEN] * _SCALARS
        self._pairs: dict[int, tuple[Scalar, Scalar, Scalar]] = {}
        """By register: both words that were written for waves that differ, and what they are together."""
        if registers is None:
            registers = np.full((vectors, LANES * size), _NEVER_WRITTEN, dtype=np.uint32)
        self.v: Words = registers
        self.i, self.f = self.v.view(np.int32), self.v.view(np.float32)
        self.base: Indices = _firsts(size)
        """The place of the first lane of each lane's wave."""
        self.scc: Scalar = 0
        self.pc = 0
        self.count = 0
        self.program = (0, 0, 0)
        self.meet = 0
        self.limits_halves = False
        """FP16_OVFL of MODE: what overflows as a float of 16 or 8 bits becomes the largest one."""
        self.waits = Waits(size)
        self._parts: list[Wave] = []
        self.write(EXEC, ALL, 2)

    # --- registers -------------------------------------------------------------------------

    def read(self, index: int, words: int) -> Scalar:
        """The value of `words` scalar registers from `index` on."""
        value = self.scalars[index]
        if words == 2:
            return self._pair(index, value, self.scalars[index + 1])
        for word in range(1, words):
            value = _above(value, self.scalars[index + word], 32 * word)
        return value

    def _pair(self, index: int, low: Scalar, high: Scalar) -> Scalar:
        """Two registers as one value; what was written as one is not put together again."""
        if type(low) is int and type(high) is int:
            return low | high << 32
        known = self._pairs.get(index)
        if known and known[0] is low and known[1] is high:
            return known[2]
        return _above(low, high, 32)

    def write(self, index: int, value: Scalar, words: int) -> None:
        """Set `words` scalar registers from `index` on; higher bits are cut off."""
        if words == 1:
            self.scalars[index] = value & _WORD if type(value) is int else _word(value, 0)
        elif words == 2:
            self._write_pair(index, value)
        else:
            for word in range(words):
                self.scalars[index + word] = _word(value, 32 * word)
        if index + words > EXEC:
            self.exec = self.read(EXEC, 2)
            self.mask = self.lanes(self.exec)
            self.full = self.exec == ALL

    def _write_pair(self, index: int, value: Scalar) -> None:
        scalars = self.scalars
        if type(value) is int:
            scalars[index], scalars[index + 1] = value & _WORD, value >> 32 & _WORD
            return
        kept = tuple([one & _LONG for one in value])  # type: ignore[union-attr]
        low, high = alike([one & _WORD for one in kept]), alike([one >> 32 for one in kept])
        scalars[index], scalars[index + 1] = low, high
        self._pairs[index] = low, high, kept

    def lanes(self, bits: Scalar) -> Mask:
        """The bits of a mask, lane by lane; not to be written to."""
        return _lanes(bits, self.size)

    def put(self, register: npt.NDArray[Any], value: Any, mask: Mask | None = None) -> None:
        """Write the active lanes of a vector register, or those of `mask` too."""
        if mask is not None:
            np.copyto(register, value, where=mask & self.mask, casting="unsafe")
        elif self.full:
            register[...] = value
        else:
            np.copyto(register, value, where=self.mask, casting="unsafe")

    # --- side by side ----------------------------------------------------------------------

    def parts(self) -> list[Wave]:
        """Its waves one by one, on the same registers."""
        if self.size == 1:
            return [self]
        if not self._parts:
            self._parts = [self._part(number) for number in range(self.size)]
        differing = [index for index, value in enumerate(self.scalars) if type(value) is tuple]
        for number, one in enumerate(self._parts):
            self._hand_on(number, one, differing)
        return self._parts.copy()

    def _part(self, number: int) -> Wave:
        lanes = slice(LANES * number, LANES * (number + 1))
        one = Wave(self.number + number, self.local, self.space, 1, self.v[:, lanes])
        one.scratch = None if self.scratch is None else self.scratch[lanes]
        one.program = self.program
        return one

    def _hand_on(self, number: int, one: Wave, differing: list[int]) -> None:
        """Have a part stand where the whole does; `differing` are the scalars that waves differ in."""
        one.scalars = self.scalars.copy()
        for index in differing:
            one.scalars[index] = self.scalars[index][number]  # type: ignore[index]
        one.scc = self.scc if type(self.scc) is int else self.scc[number]  # type: ignore[index]
        one.pc, one.count, one.waits = self.pc, self.count, self.waits.part(number)
        one.limits_halves = self.limits_halves
        one.write(EXEC, one.read(EXEC, 2), 2)

    def join(self, parts: list[Wave]) -> bool:
        """Take up what its parts did, where all of them stand at the same instruction."""
        first = parts[0]
        stand = first.pc, first.limits_halves
        if len(parts) != self.size or any((one.pc, one.limits_halves) != stand for one in parts):
            return False
        size, columns = len(parts), zip(*(one.scalars for one in parts), strict=True)
        self.scalars = [each[0] if each.count(each[0]) == size else each for each in columns]
        self.scc = alike([one.scc for one in parts])  # type: ignore[misc]
        self.limits_halves = first.limits_halves
        self.pc, self.count = first.pc, max(one.count for one in parts)
        self.waits = Waits.joined([one.waits for one in parts])
        self.write(EXEC, self.read(EXEC, 2), 2)
        return True


def alike(values: Sequence[int]) -> Scalar:
    """One value for each wave, or the one that all of them have."""
    first = values[0]
    return first if values.count(first) == len(values) else tuple(values)


def uniform(value: Scalar) -> int:
    """A value that all waves have; Diverged where they differ."""
    if type(value) is int:
        return value
    raise Diverged


def each(function: Callable[..., int], *values: Scalar) -> Scalar:
    """A function of scalar values, for each wave where they differ."""
    for value in values:
        if type(value) is tuple:
            size = len(value)
            break
    else:
        return function(*values)
    rows = zip(*(value if type(value) is tuple else (value,) * size for value in values), strict=True)
    return alike([function(*row) for row in rows])


def _above(low: Scalar, high: Scalar, shift: int) -> Scalar:
    """A value with another one above it."""
    if type(low) is int and type(high) is int:
        return low | high << shift
    return each(lambda one, other: one | other << shift, low, high)


def _word(value: Scalar, shift: int) -> Scalar:
    if type(value) is int:
        return value >> shift & _WORD
    return alike([one >> shift & _WORD for one in value])  # type: ignore[union-attr]


@lru_cache(_MASKS_KEPT)
def _lanes(bits: Scalar, size: int) -> Mask:
    """The bits of masks of so many waves, one mask for each or the same for all: few are ever asked for."""
    each_bits = bits if type(bits) is tuple else (bits,) * size
    octets = np.array(each_bits, dtype="<u8").view(np.uint8)
    lanes = np.unpackbits(octets, bitorder="little").view(np.bool_)
    lanes.flags.writeable = False
    return lanes


@cache
def _firsts(size: int) -> Indices:
    return np.repeat(np.arange(size) * LANES, LANES)


def bits_of(mask: Mask) -> Scalar:
    """A mask as the integer that a pair of scalar registers holds, for each wave where they differ."""
    octets = np.packbits(mask, bitorder="little").tobytes()
    if len(octets) == 8:
        return int.from_bytes(octets, "little")
    return alike(memoryview(octets).cast("Q").tolist())


def above(high: Words, low: Words) -> npt.NDArray[np.uint64]:
    """Words in pairs as values of 64 bits."""
    halves = np.empty(2 * len(low), dtype=np.uint32)
    halves[::2], halves[1::2] = low, high
    return halves.view(np.uint64)


_Issued = dict[str, list[tuple[frozenset[int], bool]]]


class Waits:
    """The memory operations that a wave has not waited for yet, by counter, in the order of their issue.

    Vector memory returns in order. What the scalar cache returns comes in any order, so that only a wait
    for all of `lgkm` covers it (CDNA3 ISA, section 4.4).
    """

    def __init__(self, size: int = 1) -> None:
        self._ways: list[_Issued] = [{"vm": [], "lgkm": []}]
        self._way_of = [0] * size
        """Waves side by side that took other ways wait for other things: which way each of them took."""
        self.pending: set[int] = set()

    def issue(self, counter: str, registers: frozenset[int], ordered: bool = True) -> None:
        """A memory operation begins, which sets these registers at some time."""
        for way in self._ways:
            way[counter].append((registers, ordered))
        self.pending |= registers

    def wait(self, counter: str, most: int) -> None:
        """Wait until at most `most` operations are outstanding."""
        waited = False
        for way in self._ways:
            issued = way[counter]
            if len(issued) > most and (not most or all(ordered for _, ordered in issued)):
                del issued[: len(issued) - most]
                waited = True
        if waited:
            self._settle()

    def _settle(self) -> None:
        """Forget which way was taken once it makes no difference any more."""
        first, *others = self._ways
        if others and all(way == first for way in others):
            self._ways, self._way_of = [first], [0] * len(self._way_of)
        operations = [operation for way in self._ways for issued in way.values() for operation, _ in issued]
        self.pending = set().union(*operations)

    def part(self, number: int) -> Waits:
        """What one of the waves waits for, to go on by itself."""
        one = Waits()
        way = self._ways[self._way_of[number]]
        one._ways = [{counter: list(issued) for counter, issued in way.items()}]
        one._settle()
        return one

    @classmethod
    def joined(cls, parts: Sequence[Waits]) -> Waits:
        """What waves wait for that go on side by side, each of which took one way."""
        whole = cls(len(parts))
        whole._ways = []
        for number, (way,) in enumerate(one._ways for one in parts):
            if way not in whole._ways:
                whole._ways.append(way)
            whole._way_of[number] = whole._ways.index(way)
        whole._settle()
        return whole

    def outstanding(self, counter: str) -> int:
        return max(len(way[counter]) for way in self._ways)


Step = Callable[[Wave], int | None]
"""Executes one instruction: the number of the next one, END or BARRIER, or None for the one behind it."""
END, BARRIER, STORE, APART, MET = -1, -2, -3, -4, -5

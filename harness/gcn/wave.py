"""The state of one wave of 64 lanes: its registers, its mask, and what it still waits for."""

from __future__ import annotations

from collections.abc import Callable
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
_WORD = 0xFFFFFFFF

Words = npt.NDArray[np.uint32]
Mask = npt.NDArray[np.bool_]


class Wave:
    """One wave. Vector registers are seen as `v` (uint32), `i` (int32) and `f` (float32), [512, 64] each.

    `scalars` are Python's integers. `mask` is EXEC lane by lane, and is set through `write` alone.
    """

    def __init__(self, number: int, local: npt.NDArray[np.uint8], space: Space) -> None:
        self.number = number
        self.local = local
        self.scratch: npt.NDArray[np.uint8] | None = None
        self.space = space
        self.scalars = [_NEVER_WRITTEN] * _SCALARS
        self.v: Words = np.full((_VECTORS, LANES), _NEVER_WRITTEN, dtype=np.uint32)
        self.i, self.f = self.v.view(np.int32), self.v.view(np.float32)
        self.scc = 0
        self.pc = 0
        self.count = 0
        self.program = (0, 0, 0)
        self.ended = False
        self.waits = Waits()
        self.write(EXEC, ALL, 2)

    def read(self, index: int, words: int) -> int:
        """The value of `words` scalar registers from `index` on."""
        value = self.scalars[index]
        for word in range(1, words):
            value |= self.scalars[index + word] << (32 * word)
        return value

    def write(self, index: int, value: int, words: int) -> None:
        """Set `words` scalar registers from `index` on; higher bits are cut off."""
        for word in range(words):
            self.scalars[index + word] = (value >> (32 * word)) & _WORD
        if EXEC <= index + words - 1 <= EXEC + 1:
            self.exec = self.read(EXEC, 2)
            self.mask = lanes_of(self.exec)
            self.full = self.exec == ALL

    def put(self, register: npt.NDArray[Any], value: Any, mask: Mask | None = None) -> None:
        """Write the active lanes of a vector register, or those of `mask` too."""
        if mask is not None:
            np.copyto(register, value, where=mask & self.mask, casting="unsafe")
        elif self.full:
            register[...] = value
        else:
            np.copyto(register, value, where=self.mask, casting="unsafe")


def lanes_of(bits: int) -> Mask:
    """The bits of a mask, lane by lane."""
    octets = np.frombuffer(bits.to_bytes(8, "little"), dtype=np.uint8)
    return np.unpackbits(octets, bitorder="little").view(np.bool_)


def bits_of(mask: Mask) -> int:
    """A mask as the integer that a pair of scalar registers holds."""
    return int.from_bytes(np.packbits(mask, bitorder="little").tobytes(), "little")


class Waits:
    """The memory operations that a wave has not waited for yet, by counter, in the order of their issue.

    Vector memory returns in order. What the scalar cache returns comes in any order, so that only a wait
    for all of `lgkm` covers it (CDNA3 ISA, section 4.4).
    """

    def __init__(self) -> None:
        self._issued: dict[str, list[tuple[frozenset[int], bool]]] = {"vm": [], "lgkm": []}
        self.pending: set[int] = set()

    def issue(self, counter: str, registers: frozenset[int], ordered: bool = True) -> None:
        """A memory operation begins, which sets these registers at some time."""
        self._issued[counter].append((registers, ordered))
        self.pending |= registers

    def wait(self, counter: str, most: int) -> None:
        """Wait until at most `most` operations are outstanding."""
        issued = self._issued[counter]
        if most and not all(ordered for _, ordered in issued):
            return
        del issued[: max(0, len(issued) - most)]
        self.pending = {register for ops in self._issued.values() for op, _ in ops for register in op}

    def outstanding(self, counter: str) -> int:
        return len(self._issued[counter])


Step = Callable[[Wave], int | None]
"""Executes one instruction: the number of the next one, END or BARRIER, or None for the one behind it."""
END, BARRIER, STORE = -1, -2, -3

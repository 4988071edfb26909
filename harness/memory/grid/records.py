"""Who is told what the programs of a launch do to memory; here where they run one after another."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from triton.runtime import interpreter

from harness.errors import Runaway
from harness.memory.launch import Launch
from harness.memory.violations import Elements, Violations, Where
from harness.memory.windows import Addresses, Argument, Lanes, Offsets
from harness.observation import Fault

ASTRAY = 4096
"""So many accesses of one program in a row without a lane inside: a loop over a bound that is poison."""

Values = npt.NDArray[Any]

Memory = bytes | Values
"""What an access found: a stretch of memory, or of its addresses' shape."""
DENSE = 4
"""So many times the bytes of its lanes an access may span to be told as one stretch of memory."""

Place = tuple[int, int, int]
"""Of a program in its grid."""

_native = interpreter._interpreter
_UNSIGNED = {width: np.dtype(f"u{width}") for width in (1, 2, 4, 8)}


class Access(NamedTuple):
    """Real addresses and the lanes of them that will be touched, `width` bytes each, of these arguments.

    These bytes lie from `low` to before `high`; where there are no lanes, both are 0.
    """

    arguments: tuple[Argument, ...]
    addresses: Addresses
    lanes: Lanes
    width: int
    writes: bool
    low: int
    high: int

    def memory(self) -> Memory:
        """What they hold now: all from `low` to `high` where that is not much more, else unsigned numbers
        lane by lane, 0 where no lane is active."""
        if len(self.arguments) == 1 and self.high - self.low <= DENSE * self.addresses.size * self.width:
            return ctypes.string_at(self.low, self.high - self.low)
        kind = _UNSIGNED[self.width]
        nothing = np.zeros(self.addresses.shape, dtype=kind)
        return np.asarray(_native.load(self.addresses, self.lanes, nothing, kind))

    def restore(self, memory: Memory) -> None:
        """Put back what `memory` told of before a store; what was stored later is put back already."""
        if isinstance(memory, bytes):
            ctypes.memmove(self.low, memory, len(memory))
        else:
            _native.store(self.addresses, memory, self.lanes)


class Record(Protocol):
    """Who is told what the programs of a launch do to memory.

    Only one that `keeps` any is told of each `access`, and only one that asks for `values` what is `stored`.
    """

    keeps: bool
    values: bool

    def begins(self, place: Place) -> None:
        """A program begins, where they run one after another."""

    def touch(self, argument: Argument, low: int, high: int, writes: bool) -> None:
        """The bytes of an argument from `low` to `high` are accessed."""

    def elements(self, argument: Argument, offsets: Offsets, width: int) -> None:
        """These bytes of a very large argument are stored to, `width` at each offset."""

    def stray(self, fault: Fault, elements: Elements | None, what: str, row: int) -> None:
        """Elements outside of a buffer are accessed, or (None) no buffer is, by `row`'s program first."""

    def pointed(self, address: int, row: int) -> None:
        """An address that was loaded from memory became a pointer, in the program in `row` first."""

    def sound(self, active: Lanes) -> None:
        """All active lanes of an access are inside; there is at least one."""

    def astray(self, active: Lanes, inside: Lanes) -> None:
        """Those of the active lanes that are `inside` are; there is at least one active."""

    def access(self, access: Access) -> None:
        """Memory is about to be accessed, by any number of lanes."""

    def stored(self, addresses: Addresses, values: Values, lanes: Lanes) -> None:
        """These lanes are about to store these values."""

    def updates(self) -> None:
        """Memory is about to be accessed by an atomic operation."""


class InTurn:
    """The record of programs that run one after another, in their order: what it is told holds at once."""

    keeps = False
    """Nothing is ever taken back."""

    def __init__(self, launch: Launch, violations: Violations) -> None:
        self.values = launch.written is not None
        self._launch = launch
        self._violations = violations
        self._in_a_row = 0
        self._program: Place | None = None

    def begins(self, place: Place) -> None:
        """What a program does is told with its place."""

    def touch(self, argument: Argument, low: int, high: int, writes: bool) -> None:
        argument.touch(low, high, writes)

    def elements(self, argument: Argument, offsets: Offsets, width: int) -> None:
        argument.stored(offsets, width)

    def stray(self, fault: Fault, elements: Elements | None, what: str, row: int) -> None:
        where = Where(self._launch.place() + what, interpreter.interpreter_builder.grid_idx)
        if elements is None:
            self._violations.add(fault, where)
        else:
            self._violations.access(fault, elements, where)

    def pointed(self, address: int, row: int) -> None:
        """What is found is found in order."""

    def sound(self, active: Lanes) -> None:
        self._in_a_row = 0

    def astray(self, active: Lanes, inside: Lanes) -> None:
        program = interpreter.interpreter_builder.grid_idx
        self._in_a_row = 0 if inside.any() or program != self._program else self._in_a_row + 1
        self._program = program
        if self._in_a_row >= ASTRAY:
            kernel = self._launch.kernel
            raise Runaway(f"{kernel}: stopped after {ASTRAY} accesses in a row that were all stray")

    def access(self, access: Access) -> None:
        """Nobody says so."""

    def stored(self, addresses: Addresses, values: Values, lanes: Lanes) -> None:
        if self._launch.written is not None:
            chosen = addresses[lanes]
            program = self._launch.number(interpreter.interpreter_builder.grid_idx)
            self._launch.written.add(chosen, values[lanes], np.full(chosen.size, program))

    def updates(self) -> None:
        if self._launch.written is not None:
            self._launch.written.orders = True

"""What programs that run at once did, kept until it is sure that they may: it can be taken back.

Nothing in it is told before the whole launch has come to its end and no program met what another had
written. Then it is told in the order in which the programs would have run one after another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.memory.grid.habits import Habit
from harness.memory.grid.records import ASTRAY, Access
from harness.memory.grid.signals import InOrder, Programs
from harness.memory.grid.touches import Touch, meet
from harness.memory.launch import Launch
from harness.memory.violations import Elements, Violations, Where
from harness.memory.windows import Argument, Lanes
from harness.observation import Fault

MOST_KEPT = 256 << 20
"""Bytes of addresses and of overwritten memory that are kept of a launch; a larger one runs in turn."""


@dataclass(frozen=True)
class Stray:
    """A stray access: the first program that made it, and which access of the run it was."""

    program: int
    number: int
    fault: Fault
    elements: Elements | None
    where: Where

    def tell(self, violations: Violations) -> None:
        if self.elements is None:
            violations.add(self.fault, self.where)
        else:
            violations.access(self.fault, self.elements, self.where)


@dataclass(frozen=True)
class _Overwritten:
    """What memory held before a store."""

    access: Access
    memory: Any


class Journal:
    """The record of programs that run at once, some at a time: `begin` says which."""

    def __init__(self, launch: Launch, habit: Habit) -> None:
        self._launch = launch
        self._habit = habit
        self._number = 0
        self._kept = 0
        self._unkept: dict[int, Argument] = {}
        self._known = {argument.name for argument in launch.arguments if argument.name in habit.written}
        self._extents: list[tuple[Argument, int, int, bool]] = []
        self._strays: list[Stray] = []
        self._pointed: list[tuple[int, int, int]] = []  # program, which step of the run, address
        self._reads: list[Touch] = []
        self._writes: list[Touch] = []
        self._overwritten: list[_Overwritten] = []
        self._lists: tuple[list[Any], ...] = (
            self._extents, self._strays, self._pointed, self._reads, self._writes, self._overwritten,
        )  # fmt: skip
        self._programs: Programs = np.empty(0, dtype=np.int64)
        self._in_a_row: Programs | None = None
        self._marks = [0] * len(self._lists)

    # --- runs ----------------------------------------------------------------------------------

    def begin(self, programs: Programs) -> None:
        self._programs, self._in_a_row = programs, None
        self._marks = [len(kept) for kept in self._lists]

    def take_back(self) -> None:
        """Undo what was done since it began."""
        self._back_to(self._marks)

    def take_all_back(self) -> None:
        self._back_to([0] * len(self._lists))

    def _back_to(self, marks: list[int]) -> None:
        for one in reversed(self._overwritten[marks[-1] :]):
            one.access.restore(one.memory)
        for kept, length in zip(self._lists, marks, strict=True):
            del kept[length:]

    def met(self) -> bool:
        """Whether a program touched what another wrote."""
        return meet(self._writes, self._reads)

    def strays(self) -> list[Stray]:
        """In the order in which programs that run one after another stray."""
        return sorted(self._strays, key=lambda stray: (stray.program, stray.number))

    def settle(self) -> None:
        """Let the launch know what was touched, and in which order more of its tensors were found."""
        for argument, low, high, writes in self._extents:
            argument.touch(low, high, writes)
        self._launch.found_in_order([address for *_, address in sorted(self._pointed)])

    # --- what programs do ----------------------------------------------------------------------

    def touch(self, argument: Argument, low: int, high: int, writes: bool) -> None:
        self._extents.append((argument, low, high, writes))

    def stray(self, fault: Fault, elements: Elements | None, what: str, row: int) -> None:
        program = int(self._programs[row])
        where = Where(self._launch.place() + what, self._launch.place_of(program))
        self._strays.append(Stray(program, self._number, fault, elements, where))

    def pointed(self, address: int, row: int) -> None:
        self._number += 1
        self._pointed.append((int(self._programs[row]), self._number, address))

    def sound(self, active: Lanes) -> None:
        if self._in_a_row is not None:
            self._in_a_row[self._rows(active)] = 0

    def astray(self, active: Lanes, inside: Lanes) -> None:
        if self._in_a_row is None:
            self._in_a_row = np.zeros(len(self._programs), dtype=np.int64)
        self._in_a_row[self._rows(active)] += 1
        self._in_a_row[self._rows(inside)] = 0
        if self._in_a_row.max() >= ASTRAY:
            raise InOrder("a program that is lost")

    def _rows(self, lanes: Lanes) -> Lanes:
        """Which programs have one of these lanes."""
        rows = lanes.reshape(len(lanes), -1).any(axis=1)
        return np.broadcast_to(rows, self._programs.shape)

    def access(self, access: Access) -> None:
        self._number += 1
        if access.writes:
            self._note_writes(access.arguments)
        elif self._may_go(access.arguments):
            return
        if not access.lanes.any():
            return
        self._keep(access.addresses.nbytes)
        touch = Touch.of(access.addresses, access.lanes, access.width, self._programs)
        (self._writes if access.writes else self._reads).append(touch)
        if access.writes:
            memory = access.memory()
            self._keep(memory.nbytes)
            self._overwritten.append(_Overwritten(access, memory))

    def stored(self) -> None:
        """What was there is kept already."""

    def updates(self) -> None:
        raise InOrder("atomic operations", always=True)

    def _keep(self, nbytes: int) -> None:
        self._kept += nbytes
        if self._kept > MOST_KEPT:
            raise InOrder("too much to keep")

    # --- reads of what no program writes -------------------------------------------------------

    def _may_go(self, arguments: tuple[Argument, ...]) -> bool:
        """Whether reads of these need not be kept: earlier launches wrote nowhere near them."""
        if not self._habit.known:
            return False
        if all(id(argument) in self._unkept for argument in arguments):
            return True
        if any(argument.name in self._habit.written or self._near(argument) for argument in arguments):
            return False
        self._unkept |= {id(argument): argument for argument in arguments}
        return True

    def _near(self, argument: Argument) -> bool:
        written = self._habit.written
        return any(other.name in written and argument.overlaps(other) for other in self._launch.arguments)

    def _note_writes(self, arguments: tuple[Argument, ...]) -> None:
        for argument in arguments:
            self._habit.written.add(argument.name)
            if argument.name in self._known:
                continue
            self._known.add(argument.name)
            if any(argument.overlaps(other) for other in self._unkept.values()):
                raise InOrder("a write near what earlier launches only read")

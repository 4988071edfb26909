"""What programs that run at once did, kept until it is sure that they may: it can be rolled back.

Nothing in it is told before the whole launch has come to its end and no program met what another had
written. Then it is told in the order in which the programs would have run one after another.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np

from harness.memory.grid.habits import Habit
from harness.memory.grid.records import ASTRAY, Access, Memory, Place, Values
from harness.memory.grid.signals import InOrder, Programs
from harness.memory.grid.touches import Touch, meet
from harness.memory.launch import Launch
from harness.memory.violations import Elements, Violations, Where
from harness.memory.windows import Addresses, Argument, Lanes, Offsets
from harness.observation import Fault

MOST_KEPT = 256 << 20
"""Bytes of addresses, of values and of overwritten memory that are kept of a launch; a larger one runs in
turn."""


REACHED = "what tables of addresses lead to"
"""In place of the names of these, which no kernel gives."""
_READS = 0
"""The place of the reads among the lists that are rolled back."""


@dataclass(frozen=True)
class Stray:
    """A stray access: the first program that made it, and which access of the run it was."""

    program: int
    number: int
    fault: Fault
    elements: Elements | None
    where: Where

    def tell(self, violations: Violations) -> None:
        """Report it."""
        if self.elements is None:
            violations.add(self.fault, self.where)
        else:
            violations.access(self.fault, self.elements, self.where)


class Transaction:
    """The record of programs that run at once, some at a time: `begin` says which."""

    keeps = True

    def __init__(self, launch: Launch, habit: Habit) -> None:
        self._launch = launch
        self.values = launch.written is not None
        self._number = 0
        self._kept = 0
        self._unkept = Unkept(launch, habit)
        self._extents: list[tuple[Argument, int, int, bool]] = []
        self._elements: list[tuple[Argument, Offsets, int]] = []
        self._strays: list[Stray] = []
        self._pointed: list[tuple[int, int, int]] = []  # program, which step of the run, address
        self._stored: list[tuple[Addresses, Values, Programs]] = []
        self._reads: list[tuple[Touch, Access]] = []
        self._writes: list[Touch] = []
        self._overwritten: list[tuple[Access, Memory]] = []  # what memory held before a store
        self._lists: tuple[list[Any], ...] = (
            self._reads, self._extents, self._elements, self._strays, self._pointed, self._stored,
            self._writes, self._overwritten,
        )  # fmt: skip
        self._programs: Programs = np.empty(0, dtype=np.int64)
        self._in_a_row: Programs | None = None
        self._savepoint = [0] * len(self._lists)

    # --- runs ----------------------------------------------------------------------------------

    def begin(self, programs: Programs) -> None:
        """These programs run from now on; what was done before is safe from `roll_back`."""
        self._programs, self._in_a_row = programs, None
        self._savepoint = [len(kept) for kept in self._lists]

    def roll_back(self) -> None:
        """Undo what was done since it began."""
        self._back_to(self._savepoint)

    def roll_back_all(self) -> None:
        """Undo everything; a commit's news are not called back."""
        self._back_to([0] * len(self._lists))

    def _back_to(self, savepoint: list[int]) -> None:
        for access, memory in reversed(self._overwritten[savepoint[-1] :]):
            access.restore(memory)
        for kept, length in zip(self._lists, savepoint, strict=True):
            del kept[length:]

    def met(self) -> bool:
        """Whether a program touched what another wrote."""
        return meet(self._writes, [touch for touch, _ in self._reads])

    def strays(self) -> list[Stray]:
        """In the order in which programs that run one after another stray."""
        return sorted(self._strays, key=lambda stray: (stray.program, stray.number))

    def commit(self) -> None:
        """Tell the launch what was touched and stored, and in which order more of its tensors were found."""
        for argument, low, high, writes in self._extents:
            argument.touch(low, high, writes)
        for argument, offsets, width in self._elements:
            argument.stored(offsets, width)
        for addresses, values, programs in self._stored:
            if self._launch.written is not None:
                self._launch.written.add(addresses, values, programs)
        self._launch.found_in_order([address for *_, address in sorted(self._pointed)])

    # --- what programs do ----------------------------------------------------------------------

    def begins(self, place: Place) -> None:
        """Those that run at once are told by `begin`."""

    def touch(self, argument: Argument, low: int, high: int, writes: bool) -> None:
        self._extents.append((argument, low, high, writes))

    def elements(self, argument: Argument, offsets: Offsets, width: int) -> None:
        self._keep(offsets.nbytes)
        self._elements.append((argument, offsets, width))

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
            self._unkept.written(access.arguments)
        elif self._unkept.may_go(access.arguments):
            return
        if access.high:
            self._keep_access(access)

    def _keep_access(self, access: Access) -> None:
        touch = Touch.of(access, self._programs)
        if not access.writes:
            self._reads.append((touch, access))
            self._keep(access.addresses.nbytes)
            return
        self._writes.append(touch)
        memory = access.memory()
        self._keep(access.addresses.nbytes + (len(memory) if isinstance(memory, bytes) else memory.nbytes))
        self._overwritten.append((access, memory))

    def stored(self, addresses: Addresses, values: Values, lanes: Lanes) -> None:
        """Where all programs do the same store they meet, so that it is of no matter whose it is."""
        alike = len(lanes) != len(self._programs)
        counts = np.count_nonzero(lanes.reshape(len(lanes), -1), axis=1)
        programs = np.repeat(self._programs[:1] if alike else self._programs, counts)
        chosen = addresses[lanes]
        self._keep(2 * chosen.nbytes)
        self._stored.append((chosen, values[lanes], programs))

    def updates(self) -> None:
        raise InOrder("atomic operations", always=True)

    def _keep(self, nbytes: int) -> None:
        self._kept += nbytes
        if self._kept > MOST_KEPT:
            self._let_go()
        if self._kept > MOST_KEPT:
            raise InOrder("too much to keep")

    def _let_go(self) -> None:
        """Keep only those reads that are near what was written, in the hope that it stays so."""
        self._unkept.presume()
        stay = [not self._unkept.may_go(access.arguments) for _, access in self._reads]
        gone = [access for (_, access), stays in zip(self._reads, stay, strict=True) if not stays]
        self._kept -= sum(access.addresses.nbytes for access in gone)
        self._savepoint[_READS] = sum(stay[: self._savepoint[_READS]])
        self._reads[:] = compress(self._reads, stay)


class Unkept:
    """The arguments of a launch whose reads need not be kept, since no program writes near them.

    Earlier launches of the kernel tell which that is likely to be; or this one so far, where it has read more
    than can be kept. Where one is written to all the same, the programs run in turn.
    """

    def __init__(self, launch: Launch, habit: Habit) -> None:
        self._launch = launch
        self._habit = habit
        self._arguments: dict[int, Argument] = {}
        self._given = {id(one) for one in launch.arguments[: launch.given]}
        self._seen = {id(one) for one in launch.arguments if self._habitually(one)}
        self._told = habit.known

    def _name(self, argument: Argument) -> str:
        """By what a later launch knows it: tables of addresses lead to other buffers each time."""
        return argument.name if id(argument) in self._given else REACHED

    def _habitually(self, argument: Argument) -> bool:
        """Whether it is one of those that launches write to."""
        return self._name(argument) in self._habit.written

    def presume(self) -> None:
        """Go by what was written so far."""
        self._told = True

    def may_go(self, arguments: tuple[Argument, ...]) -> bool:
        """Whether reads of these need not be kept: nothing is known to write near them."""
        if not self._told:
            return False
        if all(id(argument) in self._arguments for argument in arguments):
            return True
        if any(self._habitually(argument) or self._near(argument) for argument in arguments):
            return False
        self._arguments |= {id(argument): argument for argument in arguments}
        return True

    def _near(self, argument: Argument) -> bool:
        others = self._launch.arguments
        return any(self._habitually(other) and argument.overlaps(other) for other in others)

    def written(self, arguments: tuple[Argument, ...]) -> None:
        """Programs are about to write to these."""
        self._habit.written.update(map(self._name, arguments))
        for argument in arguments:
            if id(argument) not in self._seen:
                self._seen.add(id(argument))
                self._refuse(argument)

    def _refuse(self, argument: Argument) -> None:
        if any(argument.overlaps(other) for other in self._arguments.values()):
            raise InOrder("a write near what earlier launches only read")

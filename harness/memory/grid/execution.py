"""Runs the programs of a launch at once, as far as they go the same way, else one after another.

Programs that part (by a bound of a loop, a condition, a number) run again from the start, in groups that go
together, after what was done is undone. Where one meets what another has written, where an operation is not
known for several programs, where they have too little in common, and where anything fails, all of it is
undone, and the programs run one after another, as the interpreter itself would have them.
"""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from triton.runtime import interpreter

from harness.memory.grid import compared
from harness.memory.grid.builder import WholeGrid
from harness.memory.grid.habits import Habit, habit_of
from harness.memory.grid.journal import Journal
from harness.memory.grid.races import Races
from harness.memory.grid.records import InTurn, Record
from harness.memory.grid.signals import Crowded, Diverged, InOrder, Programs
from harness.memory.launch import Launch
from harness.memory.violations import Violations

AT_ONCE = "at once"
ALONE = "a single program"

Memory = dict[tuple[int, int], bytes]
Kernel = Callable[..., Any]


class Grid:
    """How the launches of one run of a case are executed: `record` is told what they do.

    `ran` counts them, by how they ran: at once, or in turn and why.
    """

    def __init__(self, violations: Violations, ran: Counter[str]) -> None:
        self._violations = violations
        self._compares = compared.asked_for()
        self.record: Record | None = None
        self.ran = ran

    def launch(
        self, call: Kernel, executor: Any, args: tuple[Any, ...], kwargs: dict[str, Any], launch: Launch
    ) -> Any:
        """Have `call` launch an executor's kernel, with its programs at once where that can be."""
        outer = self.record
        try:
            if len(launch.grid) > 3 or int(np.prod(launch.dims)) < 2:
                self.record = InTurn(launch, self._violations)
                self.ran[ALONE] += 1
                return call(executor, *args, **kwargs)
            return call(self._as_one(executor, launch), *args, **kwargs)
        finally:
            self.record = outer

    def _as_one(self, executor: Any, launch: Launch) -> Any:
        """An executor of one program, which is all those of the launch."""
        one = copy.copy(executor)
        one.grid = (1, 1, 1)
        one.fn = _Programs(executor.fn, lambda arguments: self._run(executor.fn, arguments, launch))
        return one

    def _run(self, kernel: Kernel, arguments: dict[str, Any], launch: Launch) -> None:
        interpreter.interpreter_builder.set_grid_dim(*launch.dims)
        habit = habit_of(kernel.__code__)
        reason = habit.refused or self.at_once(kernel, arguments, launch, habit)
        self.ran[reason or AT_ONCE] += 1
        if reason:
            self._in_turn(kernel, arguments, launch, self._violations)

    # --- at once -------------------------------------------------------------------------------

    def at_once(self, kernel: Kernel, arguments: dict[str, Any], launch: Launch, habit: Habit) -> str | None:
        """Run all programs at once, or do nothing and return why that cannot be."""
        journal = self.record = Journal(launch, habit)
        before = compared.memory(launch) if self._compares else {}
        try:
            _Groups(kernel, arguments, launch, habit, journal).run()
            if journal.met():
                raise InOrder("a program meets what another wrote", always=True)
        except InOrder as signal:
            reason = signal.reason
            habit.refused = reason if signal.always else None
        except Exception as error:  # noqa: BLE001 - it is raised again where programs run in turn
            reason = f"{type(error).__name__} in a program"
        else:
            habit.known = True
            self._settle(kernel, arguments, launch, journal, before)
            return None
        journal.take_all_back()
        launch.forget_found()
        compared.hold_undone(launch, before)
        return reason

    def _settle(
        self, kernel: Kernel, arguments: dict[str, Any], launch: Launch, journal: Journal, before: Memory
    ) -> None:
        strays = journal.strays()
        if self._compares:
            self._compare(kernel, arguments, launch, journal, before)
        else:
            journal.settle()
        for stray in strays:
            stray.tell(self._violations)

    def _compare(
        self, kernel: Kernel, arguments: dict[str, Any], launch: Launch, journal: Journal, before: Memory
    ) -> None:
        """Undo all, run the programs in turn, which is what holds, and compare what came of both."""
        told, telling = Violations(), Violations()
        with compared.extents_kept(launch):
            journal.settle()
            for stray in journal.strays():
                stray.tell(told)
            at_once = compared.Outcome.of(launch, told)
        journal.take_all_back()
        launch.forget_found()
        compared.hold_undone(launch, before)
        self._in_turn(kernel, arguments, launch, telling)
        compared.hold(launch, at_once, compared.Outcome.of(launch, telling))
        self.ran[compared.COMPARED] += 1

    # --- in turn -------------------------------------------------------------------------------

    def _in_turn(
        self, kernel: Kernel, arguments: dict[str, Any], launch: Launch, violations: Violations
    ) -> None:
        races = Races(launch)
        self.record = InTurn(launch, violations, races)
        try:
            for number in range(int(np.prod(launch.dims))):
                interpreter.interpreter_builder.set_grid_idx(*launch.place_of(number))
                kernel(**arguments)
        finally:
            races.tell(violations)


class _Groups:
    """Groups of programs that run at once, the first programs first."""

    def __init__(
        self, kernel: Kernel, arguments: dict[str, Any], launch: Launch, habit: Habit, journal: Journal
    ) -> None:
        self._kernel = kernel
        self._arguments = arguments
        self._launch = launch
        self._habit = habit
        self._journal = journal
        self._programs = np.arange(int(np.prod(launch.dims)))
        self._done = 0
        places = np.unravel_index(self._programs, launch.dims)
        self._places = np.stack(places, axis=1)

    def run(self) -> None:
        waiting = _parts(self._programs, self._habit.most)
        while waiting:
            self._hold_to_the_point(waiting)
            group = waiting.pop(0)
            self._journal.begin(group)
            try:
                with whole(group, self._places[group]):
                    self._kernel(**self._arguments)
                self._done += 1
            except Diverged as signal:
                self._journal.take_back()
                waiting[:0] = signal.ways
            except Crowded as signal:
                self._journal.take_back()
                self._habit.most = min(self._habit.most, signal.most)
                waiting[:0] = _parts(group, signal.most)

    def _hold_to_the_point(self, waiting: list[Programs]) -> None:
        """Give up where groups have less than two programs in the mean: one after another is as quick."""
        count = len(self._programs)
        if count <= self._habit.parted or 2 * (self._done + len(waiting)) > count:
            self._habit.parted = max(self._habit.parted, count)
            raise InOrder("programs that have too little in common")


def _parts(programs: Programs, most: int) -> list[Programs]:
    return [programs[at : at + most] for at in range(0, len(programs), most)]


@contextmanager
def whole(programs: Programs, places: Programs) -> Iterator[None]:
    """Have the interpreter's builder work on arrays of these programs for as long as the block runs."""
    builder = interpreter.interpreter_builder
    original = type(builder)
    builder.__class__ = WholeGrid
    builder.programs, builder.places = programs, places
    try:
        yield
    finally:
        builder.__class__ = original
        del builder.programs, builder.places


class _Programs:
    """Stands for a kernel where an executor runs it: its signature and globals, with `run` for a body."""

    def __init__(self, kernel: Kernel, run: Callable[[dict[str, Any]], None]) -> None:
        self._kernel = kernel
        self._run = run
        self.__signature__ = inspect.signature(kernel)
        self.__globals__ = kernel.__globals__
        self.__name__ = kernel.__name__

    def __call__(self, **arguments: Any) -> None:
        self._run(arguments)

    def __eq__(self, other: object) -> bool:
        return self._kernel == (other._kernel if isinstance(other, _Programs) else other)

    def __hash__(self) -> int:
        return hash(self._kernel)

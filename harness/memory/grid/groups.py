"""The programs of a launch in groups: those of one run at once, and go the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from triton.runtime import interpreter

from harness.memory.grid.builder import WholeGrid
from harness.memory.grid.habits import Habit
from harness.memory.grid.signals import Crowded, Diverged, InOrder, Programs
from harness.memory.grid.transaction import Transaction
from harness.memory.launch import Launch


class Groups:
    """Groups of programs, the first programs first; `record` takes what they do, and rolls it back."""

    def __init__(
        self,
        kernel: Callable[..., Any],
        arguments: dict[str, Any],
        launch: Launch,
        habit: Habit,
        record: Transaction,
    ) -> None:
        self._kernel = kernel
        self._arguments = arguments
        self._habit = habit
        self._record = record
        self._programs = np.arange(launch.programs)
        self._places = np.stack(np.unravel_index(self._programs, launch.dims), axis=1)
        self._done = 0

    def run(self) -> None:
        """Run all programs; InOrder where that cannot be, with all that was done still in the record."""
        waiting = _parts(self._programs, self._habit.most)
        while waiting:
            self._hold_to_the_point(waiting)
            group = waiting.pop(0)
            waiting[:0] = self._run_one(group)
        if self._record.met():
            raise InOrder("a program meets what another wrote", always=True)

    def _run_one(self, group: Programs) -> list[Programs]:
        """Run a group, or roll back what it did and return the groups that it comes to."""
        self._record.begin(group)
        try:
            with whole(group, self._places[group]):
                self._kernel(**self._arguments)
        except Diverged as signal:
            self._record.roll_back()
            return list(signal.ways)
        except Crowded as signal:
            self._record.roll_back()
            self._habit.most = min(self._habit.most, signal.most)
            return _parts(group, signal.most)
        self._done += 1
        return []

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

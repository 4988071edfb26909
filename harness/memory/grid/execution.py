"""Runs the programs of a launch at once, as far as they go the same way, else one after another.

Programs that part (by a bound of a loop, a condition, a number) run again from the start, in groups that go
together, after what was done is rolled back. Where one meets what another has written, where an operation is
not known for several programs, where they have too little in common, and where anything fails, all of it is
rolled back, and the programs run one after another, as the interpreter itself would have them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from triton.runtime import interpreter

from harness.memory.grid import compared, language
from harness.memory.grid.groups import Groups
from harness.memory.grid.habits import Habit, habit_of
from harness.memory.grid.kernel import Body
from harness.memory.grid.races import UNJUDGED, Races
from harness.memory.grid.records import InTurn, Record
from harness.memory.grid.signals import InOrder
from harness.memory.grid.transaction import Transaction
from harness.memory.launch import Launch
from harness.memory.violations import Violations

AT_ONCE = "at once"
ALONE = "a single program"
TURNED = "in the other direction"
FOREIGN = "the language is exchanged by somebody else"

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
            if alone := _alone(launch):
                self.ran[alone] += 1
                with self._recorded(launch, self._violations):
                    return call(executor, *args, **kwargs)
            return self._as_one(call, executor, args, kwargs, launch)
        finally:
            self.record = outer

    def _as_one(
        self, call: Kernel, executor: Any, args: tuple[Any, ...], kwargs: dict[str, Any], launch: Launch
    ) -> Any:
        """Have the interpreter run one program, which is all those of the launch."""
        # `copy.copy` would leave a note on the class, which tells as an alteration of it.
        one, kernel = object.__new__(type(executor)), executor.fn
        one.__dict__.update(vars(executor), grid=(1, 1, 1), fn=Body(kernel))
        with one.fn.running(lambda arguments: self._run(kernel, arguments, launch)):
            return call(one, *args, **kwargs)

    def _run(self, kernel: Kernel, arguments: dict[str, Any], launch: Launch) -> None:
        interpreter.interpreter_builder.set_grid_dim(*launch.dims)
        habit = habit_of(kernel.__code__)
        reason = _refused(launch, habit) or self.at_once(kernel, arguments, launch, habit)
        self.ran[reason or AT_ONCE] += 1
        if reason:
            self._in_turn(kernel, arguments, launch, self._violations)

    # --- at once -------------------------------------------------------------------------------

    def at_once(self, kernel: Kernel, arguments: dict[str, Any], launch: Launch, habit: Habit) -> str | None:
        """Run all programs at once, or do nothing and return why that cannot be."""
        before = compared.memory(launch) if self._compares else {}
        done = self.record = Transaction(launch, habit)
        reason = self._tried(Groups(kernel, arguments, launch, habit, done), habit)
        if reason is None and not self._compares:
            done.commit()
            for stray in done.strays():
                stray.tell(self._violations)
        elif reason is None:
            self._compare(kernel, arguments, launch, done, before)
        else:
            self._roll_back(launch, done, before)
        return reason

    def _tried(self, groups: Groups, habit: Habit) -> str | None:
        """Run the groups; why that came to no end, with a note of what no launch of the kernel has to try."""
        try:
            groups.run()
        except InOrder as signal:
            habit.refused = signal.reason if signal.always else None
            return signal.reason
        except Exception as error:  # noqa: BLE001 - it is raised again where programs run in turn
            return f"{type(error).__name__} in a program"
        habit.known = True
        return None

    def _roll_back(self, launch: Launch, done: Transaction, before: Memory) -> None:
        done.roll_back_all()
        launch.forget_found()
        compared.hold_undone(launch, before)

    def _compare(
        self, kernel: Kernel, arguments: dict[str, Any], launch: Launch, done: Transaction, before: Memory
    ) -> None:
        """Undo all, run the programs in turn, which is what holds, and compare what came of both."""
        told, strays = Violations(), done.strays()
        with compared.noted_apart(launch):
            done.commit()
            for stray in strays:
                stray.tell(told)
            at_once = compared.Outcome.of(launch, told)
        self._roll_back(launch, done, before)
        telling = Violations()
        self._in_turn(kernel, arguments, launch, telling)
        compared.hold(launch, at_once, compared.Outcome.of(launch, telling))
        for stray in strays:
            stray.tell(self._violations)
        self.ran[compared.COMPARED] += 1

    # --- in turn -------------------------------------------------------------------------------

    def _in_turn(
        self, kernel: Kernel, arguments: dict[str, Any], launch: Launch, violations: Violations
    ) -> None:
        with self._recorded(launch, violations):
            for number in range(launch.programs):
                interpreter.interpreter_builder.set_grid_idx(*launch.place_of(number))
                kernel(**arguments)

    @contextmanager
    def _recorded(self, launch: Launch, violations: Violations) -> Iterator[None]:
        """Programs run one after another while the block does; races are told at its end, however it ends."""
        if launch.programs < 2:
            self.record = InTurn(launch, violations)
            yield
            return
        self.record = races = Races(launch, violations)
        try:
            yield
        finally:
            races.tell()
            if races.too_large and violations is self._violations:  # else it ran at once as well
                self.ran[UNJUDGED] += 1


def _alone(launch: Launch) -> str | None:
    """Why a launch is left to the interpreter as it is."""
    if len(launch.grid) > 3 or min(launch.dims) < 1 or launch.programs < 2:
        return ALONE
    return TURNED if launch.turned else None


def _refused(launch: Launch, habit: Habit) -> str | None:
    """Why the programs of a launch are not tried at once."""
    if not language.in_force():
        return FOREIGN
    return habit.refused

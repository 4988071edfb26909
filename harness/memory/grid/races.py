"""Races: two programs of one launch at the same element, where it matters which of them comes first.

No GPU orders the programs of a launch. Their accesses are kept while they run one after another, since those
that ran at once never met, and looked at when the launch is over. Atomic operations order programs in ways
that are not followed here: a launch that makes one is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.memory.grid.orders import Deeds, Numbers, Step, Store, near
from harness.memory.grid.records import Access, InTurn, Place, Values
from harness.memory.launch import Launch
from harness.memory.violations import Violations, Where
from harness.memory.windows import Addresses, Argument, Lanes
from harness.observation import Fault

MOST_KEPT = 64 << 20
"""Bytes that are kept of a launch, about; a larger one is not judged."""
OBJECTS = 512
"""Bytes that are kept of an access beside those of its lanes."""
COUNTED = 64
"""So many accesses go by from one look at what is kept to the next."""

UNJUDGED = "in turn, too large to look for races"
"""How such a launch ran, beside why it did so in turn."""


class Races(InTurn):
    """The record of several programs that run one after another, in whatever order; `tell` says who raced.

    `too_large` says that the launch came to more than is kept.
    """

    def __init__(self, launch: Launch, violations: Violations) -> None:
        super().__init__(launch, violations)
        self.keeps = self.values = True
        self.too_large = False
        self._kept = 0
        self._accesses: list[Access] = []
        self._stores: dict[int, Store] = {}
        self._programs: list[tuple[int, Place]] = []
        """Where in the list of accesses those of a program begin."""

    # --- what programs do ----------------------------------------------------------------------

    def begins(self, place: Place) -> None:
        self._programs.append((len(self._accesses), place))

    def access(self, access: Access) -> None:
        self._accesses.append(access)
        if len(self._accesses) % COUNTED == 0:
            self._count()

    def stored(self, addresses: Addresses, values: Values, lanes: Lanes) -> None:
        super().stored(addresses, values, lanes)
        if self.keeps and self._accesses and (access := self._accesses[-1]).addresses is addresses:
            self._stores[len(self._accesses) - 1] = Store(self._launch.line(), values, access.memory())

    def updates(self) -> None:
        super().updates()
        self._void()

    def _count(self) -> None:
        lanes = sum(
            access.addresses.size * (3 if access.writes else 1) for access in self._accesses[-COUNTED:]
        )
        self._kept += COUNTED * OBJECTS + 9 * lanes
        if self._kept > MOST_KEPT:
            self.too_large = True
            self._void()

    def _void(self) -> None:
        """Judge nothing of this launch."""
        self.keeps, self.values = False, self._launch.written is not None
        self._accesses, self._stores, self._programs = [], {}, []

    # --- what they come to ---------------------------------------------------------------------

    def tell(self) -> None:
        """Report what of each buffer depends on the order of programs, and two that clash there."""
        programs = self._programs_of_accesses()
        for places in near(self._accesses, programs):
            steps = [self._step(at, int(programs[at])) for at in places.tolist()]
            if deeds := Deeds.of(steps):
                self._tell_of(deeds, steps)

    def _step(self, at: int, program: int) -> Step:
        return Step(self._accesses[at], program, self._stores.get(at))

    def _programs_of_accesses(self) -> Numbers:
        begins = np.array([at for at, _ in self._programs], dtype=np.int64)
        numbers = np.array([self._launch.number(place) for _, place in self._programs], dtype=np.int64)
        return np.repeat(numbers, np.diff(begins, append=len(self._accesses)))

    def _tell_of(self, deeds: Deeds, steps: list[Step]) -> None:
        for argument, units in self._owned(deeds.dependent(), deeds.size):
            elements = np.unique((units * deeds.size - argument.real) // argument.itemsize)
            one, other = (steps[at] for at in deeds.clash(int(units[0])))
            where = self._where(one, self._where(other))
            self._violations.access(self._fault(argument), elements, where)

    def _owned(self, units: Numbers, size: int) -> Iterator[tuple[Argument, Numbers]]:
        """The units of each argument, of which the first counts where several share memory."""
        for argument in self._launch.arguments:
            own = argument.inside(units * size - argument.real, 1)
            if own.any():
                yield argument, units[own]
                units = units[~own]

    def _fault(self, argument: Argument) -> Fault:
        numel = argument.nbytes // argument.itemsize
        return Fault(kind="race", buffer=argument.buffer, kernel=self._launch.kernel, numel=numel)

    def _where(self, step: Step, other: Where | None = None) -> Where:
        """Of a load the program alone: to ask for the line of each takes too long."""
        line = self._launch.at(step.store.line) if step.store else f"a load of {self._launch.kernel}"
        return Where(line, self._launch.place_of(step.program), other)

"""Two programs of one launch at the same element, where one of them writes: no GPU orders them.

Seen where programs run one after another, as changes of what memory holds: a program reads what another has
changed, or changes what another has read or stored. Where all store the same value, or what is there already,
nothing depends on their order, and it is no race. Atomic operations order programs in ways that are not
followed here: a launch with one is not judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from triton.runtime import interpreter

from harness.memory.grid.touches import MANY, NOBODY, Stretch, Touch, Units, stretches
from harness.memory.launch import Launch
from harness.memory.violations import Violations, Where
from harness.memory.windows import Addresses, Argument, Lanes
from harness.observation import Fault

MOST_KEPT = 256 << 20
"""Bytes of addresses that are kept of a launch; a larger one is not judged."""

Place = tuple[int, int, int]


@dataclass(frozen=True)
class _Step:
    """An access of one program; of a store also the lanes whose memory it changed, if there are any."""

    touch: Touch
    changes: Touch | None
    writes: bool
    where: Where


class Races:
    """The accesses of one launch, program by program."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._steps: list[_Step] = []
        self._kept = 0
        self._void = False

    def void(self) -> None:
        """Judge nothing of this launch."""
        self._void, self._steps = True, []

    def read(self, addresses: Addresses, lanes: Lanes, width: int) -> None:
        self._add(addresses, lanes, width, None)

    def write(self, addresses: Addresses, lanes: Lanes, width: int, changed: Lanes) -> None:
        """Memory was stored to; `changed` are lanes that hold something else now."""
        self._add(addresses, lanes, width, changed)

    def _add(self, addresses: Addresses, lanes: Lanes, width: int, changed: Lanes | None) -> None:
        self._kept += addresses.nbytes
        if self._kept > MOST_KEPT:
            self.void()
        if self._void or not lanes.any():
            return
        place: Place = interpreter.interpreter_builder.grid_idx
        who = np.array([self._launch.number(place)])
        touch = Touch.of(addresses[None], lanes[None], width, who)
        changes = None
        if changed is not None and (changed & lanes).any():
            changes = Touch.of(addresses[None], (changed & lanes)[None], width, who)
        self._steps.append(_Step(touch, changes, changed is not None, Where(self._launch.place(), place)))

    def tell(self, violations: Violations) -> None:
        """Report each race with its elements, at the access that completes it."""
        writes = [step.touch for step in self._steps if step.writes]
        reads = [step.touch for step in self._steps if not step.writes]
        for stretch in stretches(writes, reads):
            self._tell_of(stretch, violations)

    def _tell_of(self, stretch: Stretch, violations: Violations) -> None:
        seen = _Seen(stretch)
        for step in self._steps:
            raced = seen.stored(step) if step.writes else seen.loaded(step)
            if raced.size:
                self._report(stretch.addresses(raced), step, violations)

    def _report(self, addresses: Units, step: _Step, violations: Violations) -> None:
        width = step.touch.width
        for argument in self._launch.arguments:
            offsets = addresses - argument.real
            own = (offsets >= argument.floor) & (offsets < argument.nbytes)
            if own.any():
                elements = np.unique(offsets[own] // width)
                violations.access(self._fault(argument, width), elements, step.where)
                addresses = addresses[~own]

    def _fault(self, argument: Argument, width: int) -> Fault:
        kernel, numel = self._launch.kernel, argument.nbytes // width
        return Fault(kind="race", buffer=argument.buffer, kernel=kernel, numel=numel)


class _Seen:
    """Who has read, stored and changed each unit of a stretch so far."""

    def __init__(self, stretch: Stretch) -> None:
        self._stretch = stretch
        self._readers, self._writers, self._changers = (
            np.full(len(stretch), NOBODY, dtype=np.int64) for _ in range(3)
        )

    def loaded(self, step: _Step) -> Units:
        """The units that the step reads after somebody else changed them."""
        at, who = self._units(step.touch)
        raced = at[_others(self._changers[at], who)]
        self._join(self._readers, at, who)
        return raced

    def stored(self, step: _Step) -> Units:
        """The units that the step changes after somebody else read or stored them."""
        at, who = self._units(step.changes)
        raced = at[_others(self._readers[at], who) | _others(self._writers[at], who)]
        self._changers[at] = who
        self._join(self._writers, *self._units(step.touch))
        return raced

    def _units(self, touch: Touch | None) -> tuple[Units, int]:
        for one, at, _ in self._stretch.touched([touch] if touch else []):
            return at, int(one.programs[0])
        return np.empty(0, dtype=np.int64), NOBODY

    def _join(self, who: Units, at: Units, program: int) -> None:
        who[at] = np.where(_others(who[at], program), MANY, program)


def _others(there: Units, program: int) -> Lanes:
    """Where somebody else is noted."""
    return np.asarray((there != NOBODY) & (there != program))

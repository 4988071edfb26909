"""What programs of one launch did to the same elements: whether one met what another had written.

While a launch runs, its accesses are only noted. They are looked at when it is over, unit by unit (the
narrowest access), and only where something was written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harness.memory.grid.records import Access
from harness.memory.grid.signals import Programs
from harness.memory.windows import Addresses, Lanes

NOBODY, MANY = -1, -2
"""In place of a program's number."""
LARGEST = 1 << 22
"""Units of a stretch of memory up to which all are noted, and beyond which only those that were written."""

Units = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Touch:
    """One access of some programs: real addresses and active lanes, of one shape, `width` bytes a lane.

    The first axis is that of the `programs`, or of length 1 where all of them do the same.
    """

    addresses: Addresses
    lanes: Lanes
    width: int
    programs: Programs
    low: int
    high: int
    """The first byte touched, and the one behind the last."""

    @classmethod
    def of(cls, access: Access, programs: Programs) -> Touch:
        """An access of at least one lane."""
        return cls(access.addresses, access.lanes, access.width, programs, access.low, access.high)

    def units(self, start: int, unit: int) -> tuple[Units, Units]:
        """Which units behind `start` it touches, and by whom each."""
        at = (self.addresses[self.lanes] - np.uint64(start)).view(np.int64)
        who = self._who()
        if self.width == unit:
            return at // unit, who
        inner = np.arange(self.width // unit)
        return (at[:, None] // unit + inner).ravel(), np.repeat(who, len(inner))

    def _who(self) -> Units:
        if len(self.lanes) != len(self.programs):
            return np.full(int(np.count_nonzero(self.lanes)), MANY, np.int64)
        counts = np.count_nonzero(self.lanes.reshape(len(self.lanes), -1), axis=1)
        return np.repeat(self.programs, counts)

    def aligned(self, unit: int) -> bool:
        return not (self.addresses[self.lanes] % np.uint64(unit)).any()


@dataclass(frozen=True)
class Stretch:
    """Memory that was written, from its first byte to behind its last, and the unit to look at it in.

    One access of several programs may reach from buffer to buffer, with anything between. Of a large stretch
    the units that were `written` alone have a place, in their order; of any other all have.
    """

    low: int
    high: int
    unit: int
    written: Units | None = None

    def __len__(self) -> int:
        return (self.high - self.low) // self.unit + 1 if self.written is None else len(self.written)

    def over(self, writes: Sequence[Touch]) -> Stretch:
        """The same for these writes."""
        if len(self) <= LARGEST:
            return self
        units = [touch.units(self.low, self.unit)[0] for touch in writes if self.meets(touch)]
        ordered = np.sort(np.concatenate(units))  # np.unique would hash them, which takes longer
        return replace(self, written=ordered[np.append(True, ordered[1:] != ordered[:-1])])

    def meets(self, touch: Touch) -> bool:
        return touch.low < self.high and touch.high > self.low

    def touched(self, touches: Sequence[Touch]) -> Iterator[tuple[Touch, Units, Units]]:
        """The accesses that reach into it, with the places of the units that do, and their programs."""
        for touch in touches:
            if self.meets(touch):
                at, who = touch.units(self.low, self.unit)
                places, inside = self._places(at)
                yield (touch, places, who) if inside.all() else (touch, places[inside], who[inside])

    def _places(self, at: Units) -> tuple[Units, Lanes]:
        if self.written is None:
            return at, (at >= 0) & (at < len(self))
        places = np.minimum(np.searchsorted(self.written, at), len(self.written) - 1)
        return places, self.written[places] == at

    def addresses(self, places: Units) -> Units:
        """Where the units of these places begin."""
        return self.low + self.unit * (places if self.written is None else self.written[places])


def stretches(writes: Sequence[Touch], reads: Sequence[Touch]) -> Iterator[Stretch]:
    """Stretches of memory that were written, apart from each other."""
    for low, high in _merged(sorted((touch.low, touch.high) for touch in writes)):
        near = [touch for touch in (*writes, *reads) if touch.low < high and touch.high > low]
        unit = math.gcd(low, *(touch.width for touch in near))
        yield Stretch(low, high, unit if all(touch.aligned(unit) for touch in near) else 1).over(writes)


def _merged(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    low, high = spans[0] if spans else (0, 0)
    for start, end in spans[1:]:
        if start > high:
            yield low, high
            low, high = start, end
        high = max(high, end)
    if spans:
        yield low, high


def meet(writes: Sequence[Touch], reads: Sequence[Touch]) -> bool:
    """Whether two programs touched the same element, and one of them wrote it."""
    return any(_met_in(stretch, writes, reads) for stretch in stretches(writes, reads))


def _met_in(stretch: Stretch, writes: Sequence[Touch], reads: Sequence[Touch]) -> bool:
    owner = np.full(len(stretch), NOBODY, np.int64)
    written = list(stretch.touched(writes))
    for _, at, who in written:
        owner[at] = who
    if any((who == MANY).any() or (owner[at] != who).any() for _, at, who in written):
        return True
    for _, at, who in stretch.touched(reads):
        there = owner[at]
        if ((there != NOBODY) & (there != who)).any():
            return True
    return False

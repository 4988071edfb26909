"""The memory that a launch sees: every lane of every access is judged by the window of its argument.

An element that an access touches outside of its argument is dropped where it is written and poison where
it is read, and both are reported, as the interpreter's are (`harness.memory.lanes`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from harness.errors import Runaway
from harness.gcn.assembly import Instruction
from harness.gcn.stores import Stores
from harness.gcn.wave import LANES, Mask, Wave, Words, above
from harness.memory.poison import Poison
from harness.memory.violations import Violations, Where
from harness.memory.windows import Addresses, Argument, Offsets, Window, Windows
from harness.observation import Fault, Store

WINDOW_BITS = 40
LAST_WINDOW = 0x50
"""Below every address of a process on Linux: programs lie at 0x55 << 40 and above, or below 1 << 40,
libraries and large tensors just below 1 << 47. So what a table of addresses holds lies in no window."""
ARGUMENTS = 1 << 20
"""Where the segment of a kernel's arguments is, below every window."""
ASTRAY = 4096
"""So many accesses of one wave in a row without a lane inside: a loop over a bound that is poison."""
_UNKNOWN_CONTENT = np.frombuffer(b"\xad\xde\xad\x5e", dtype=np.uint8)
Octets = npt.NDArray[np.uint8]
Octets64 = npt.NDArray[np.uint64]
_LOWEST, _HIGHEST = np.uint64(1 << 16), np.uint64(1 << 47)
"""What can be the address of a tensor at all."""
_ONE = np.ones(1, dtype=bool)
UNKNOWN = "an address that was derived from no argument and no live tensor"


@dataclass(frozen=True)
class Backing:
    """An argument's real memory as words of each size; the last ones may lie past a whole number of them.

    What is larger than 4 bytes is a row of words of 4.
    """

    argument: Argument
    words: dict[int, npt.NDArray[Any]]
    poison: Octets
    """The poison of one element."""

    @property
    def addresses(self) -> bool:
        """Whether its elements can be addresses."""
        return self.argument.tensor.dtype in (torch.int64, torch.uint64)


class Place:
    """Where an access stands: an instruction, as a wave of a program executes it."""

    __slots__ = ("_instruction", "_wave")

    def __init__(self, instruction: Instruction, wave: Wave) -> None:
        self._instruction, self._wave = instruction, wave

    def of(self, lane: int) -> Where:
        """The same for one lane, as a fault has it."""
        one, wave = self._instruction, self._wave
        who = f"lane {lane % LANES} of wave {wave.number + lane // LANES}"
        return Where(f"{one.line}, {one.opcode} of {wave.space.kernel}, {who}", wave.program)

    def store(self, lane: int) -> Store:
        """The same for one lane that stores."""
        return Store(
            kernel=self._wave.space.kernel, opcode=self._instruction.opcode, line=self._instruction.line,
            lane=lane % LANES, wave=self._wave.number + lane // LANES, program=self._wave.program,
        )  # fmt: skip


Reached = Callable[[int], Argument | None]
"""The argument that a kernel reaches by an address that it loads, if a live tensor is there."""


Change = Callable[[int, Octets], Octets]
"""What a lane makes of the bytes that it finds."""


class Table:
    """Addresses that a kernel loads from memory, which lead to tensors that it was not given."""

    def __init__(self, space: Space, reached: Reached) -> None:
        self._space, self._reached = space, reached
        self._moves: dict[int, int] = {}

    def loaded(self, words: Octets64) -> Octets64:
        """What was loaded, with addresses of live tensors moved into windows of theirs.

        The same array where there is none.
        """
        plain = words - _LOWEST < _HIGHEST - _LOWEST
        if not np.count_nonzero(plain):
            return words
        moved = words.copy()
        for address in np.unique(words[plain]).tolist():
            if move := self._move(address):
                moved[words == address] += np.uint64(move % (1 << 64))
        return moved

    def stored(self, words: Octets64) -> Octets64:
        """What is to be stored, with such addresses as they were."""
        moves = [(address, move) for address, move in self._moves.items() if move]
        back = words.copy() if moves else words
        for address, move in moves:
            back[words == np.uint64(address + move)] = address
        return back

    def _move(self, address: int) -> int:
        if address not in self._moves:
            argument = self._reached(address)
            self._moves[address] = self._space.place(argument) - argument.real if argument else 0
        return self._moves[address]


class Space:
    """The arguments of one launch as a kernel's lanes see them."""

    def __init__(
        self, kernel: str, strays: Violations, poison: Poison, reached: Reached | None = None
    ) -> None:
        self.kernel, self._violations, self._poison = kernel, strays, poison
        self._table = Table(self, reached) if reached else None
        self._windows = Windows(WINDOW_BITS, LAST_WINDOW)
        self._backings: dict[int, Backing] = {}
        self._segment = b""
        self._astray = 0
        self.watched: str | None = None
        """The name of an argument whose last stores are remembered, where anybody asks."""
        self.stores: Stores | None = None

    # --- what there is ---------------------------------------------------------------------

    def place(self, argument: Argument) -> int:
        """The address that the kernel is given for an argument."""
        raw = _memory(argument.real, argument.nbytes)
        sizes = {n: raw[: argument.nbytes // n * n].view(f"u{n}") for n in (1, 2, 4)}
        sizes |= {n: raw[: argument.nbytes // n * n].view("u4").reshape(-1, n // 4) for n in (8, 16)}
        word, nbytes = self._poison.word(argument.tensor.dtype)
        poison = np.frombuffer(word.to_bytes(nbytes, "little"), dtype=np.uint8)
        self._backings[id(argument)] = Backing(argument, sizes, poison)
        if argument.name == self.watched and self.stores is None:
            self.stores = Stores(argument)
        return self._windows.open(argument).base

    def segment(self, content: bytes) -> int:
        """The address of the kernel's arguments, which are these bytes."""
        self._segment = content
        return ARGUMENTS

    # --- accesses --------------------------------------------------------------------------

    def load(self, addresses: Addresses, mask: Mask, width: int, place: Place) -> list[Words]:
        """What `width` bytes at each active lane's address hold, as words; 0 in the lanes that are off."""
        who = _active(mask)
        chosen = addresses if who is None else addresses[who]
        if not chosen.size:
            return [np.zeros(len(mask), dtype=np.uint32) for _ in range(-(-width // 4))]
        words = self._loaded(chosen, mask, width, place)
        return words if who is None else [_spread(word, who, len(mask)) for word in words]

    def _loaded(self, chosen: Addresses, mask: Mask, width: int, place: Place) -> list[Words]:
        """The same for the active lanes alone."""
        if not (found := self._inside(chosen, width, writes=False)):
            octets = self._by_lane(chosen, np.flatnonzero(mask), width, None, place)
            return [_joined(octets[:, at : at + 4]) for at in range(0, width, 4)]
        words = _gathered(*found, width)
        if self._table and width % 8 == 0 and found[0].addresses:
            words = _by_pairs(words, self._table.loaded)
        return words

    def store(self, addresses: Addresses, mask: Mask, width: int, words: list[Words], place: Place) -> None:
        """Write the words of each active lane at its address, `width` bytes in all."""
        who = _active(mask)
        chosen = addresses if who is None else addresses[who]
        if not chosen.size:
            return
        values = words if who is None else [word[who] for word in words]
        if found := self._inside(chosen, width, writes=True):
            if self._table and width % 8 == 0 and found[0].addresses:
                values = _by_pairs(values, self._table.stored)
            _scatter(*found, width, values)
            if self.stores:
                self._note(found[0].argument, found[1], np.flatnonzero(mask), width, place)
            return
        octets = np.stack(values, axis=1).astype("<u4").view(np.uint8)[:, :width]
        self._by_lane(chosen, np.flatnonzero(mask), width, octets, place)

    def exchange(
        self, addresses: Addresses, mask: Mask, width: int, change: Change, place: Place
    ) -> list[Words]:
        """Change what `width` bytes at each active lane's address hold, one lane after the other.

        What each lane found, as words; poison in those that are astray, and 0 in those that are off.
        """
        found = np.zeros((len(mask), width), dtype=np.uint8)
        for lane in np.flatnonzero(mask).tolist():
            one = addresses[lane : lane + 1]
            if inside := self._whole(one, width):
                memory, at = self._backings[id(inside)].words[1], self._windows.find(int(one[0]))
                assert at is not None
                start = int(at.offsets(one)[0])
                found[lane] = memory[start : start + width]
                memory[start : start + width] = change(lane, found[lane])
                self._note(inside, at.offsets(one), np.array([lane]), width, place)
            else:
                found[lane] = self._missed(one, lane, width, place)
        return [_joined(found[:, at : at + 4]) for at in range(0, width, 4)]

    def _whole(self, address: Addresses, width: int) -> Argument | None:
        """The argument inside of which the bytes at this one address lie; they are written."""
        window = self._windows.find(int(address[0]))
        if window is None or not window.argument.inside(at := window.offsets(address), width).all():
            return None
        window.argument.touch(int(at[0]), int(at[0]) + width - 1, True)
        self._astray = 0
        return window.argument

    def _missed(self, address: Addresses, lane: int, width: int, place: Place) -> Octets:
        """What is found at an address that is astray, which is told."""
        self.dropped(address, np.ones(1, dtype=bool), width, True, place, lane)
        self._stop_if_lost(False)
        self._poison.drawn = True
        window = self._windows.find(int(address[0]))
        poison = self._backings[id(window.argument)].poison if window else _UNKNOWN_CONTENT
        return np.resize(poison, width)

    def read(self, address: int, width: int, place: Place) -> list[int]:
        """What a scalar load of so many bytes finds, as words."""
        start = address - ARGUMENTS
        if start >= 0 and start + width <= len(self._segment):
            part = self._segment[start : start + width]
            return [int.from_bytes(part[at : at + 4], "little") for at in range(0, width, 4)]
        if (words := self._at(address, width)) is not None:
            return [int(word) for word in words]
        addresses = np.array([address], dtype=np.uint64)
        return [int(word[0]) for word in self.load(addresses, _ONE, width, place)]

    def _at(self, address: int, width: int) -> Words | None:
        """What lies at one address, as words, if all of it is inside of one argument."""
        window = self._windows.find(address)
        if window is None or window.argument.gaps:
            return None
        first = address - window.base
        if not 0 <= first <= window.argument.nbytes - width:
            return None
        window.argument.touch(first, first + width - 1, False)
        self._astray = 0
        backing = self._backings[id(window.argument)]
        words = backing.words[1][first : first + width].copy().view(np.uint32)
        if self._table and width % 8 == 0 and backing.addresses:
            # One after the other: in the order in which they lie, tensors are told of in the trace.
            pairs = words.view(np.uint64)
            for at in range(len(pairs)):
                pairs[at : at + 1] = self._table.loaded(pairs[at : at + 1])
        return words

    def dropped(
        self, addresses: Addresses, mask: Mask, width: int, writes: bool, place: Place, first: int = 0
    ) -> None:
        """Report accesses that are dropped for being astray; `first` is the lane of the first address."""
        chosen, who = addresses[mask], np.flatnonzero(mask) + first
        for window, lanes in self._windows.split(chosen):
            if window is None:
                self._unknown(writes, place.of(int(who[lanes][0])))
            else:
                self._dropped_in(window, chosen[lanes], who[lanes], width, writes, place)

    def _dropped_in(
        self, window: Window, addresses: Addresses, who: Offsets, width: int, writes: bool, place: Place
    ) -> None:
        size = window.argument.itemsize
        unit = size if width % size == 0 else width
        for start in range(0, width, unit):
            at = window.offsets(addresses) + start
            stray = ~window.argument.inside(at, unit)
            if stray.any():
                self._stray(window.argument, at[stray], unit, writes, place.of(int(who[stray][0])))

    def stray(self, fault: Fault, elements: Offsets, where: Where) -> None:
        """Report elements that lie outside of something that is no argument."""
        self._violations.access(fault, elements, where)

    # --- judged ----------------------------------------------------------------------------

    def _inside(self, chosen: Addresses, width: int, writes: bool) -> tuple[Backing, Offsets] | None:
        """The argument that all of these accesses stay inside of; None where one does not."""
        low, high = int(np.minimum.reduce(chosen)), int(np.maximum.reduce(chosen))
        window = self._windows.find(low)
        if window is None or window is not self._windows.find(high) or window.argument.gaps:
            return None
        first, last = low - window.base, high - window.base
        if first < 0 or last + width > window.argument.nbytes:
            return None
        window.argument.touch(first, last + width - 1, writes)
        self._astray = 0
        offsets = (chosen - np.uint64(window.base)).view(np.int64)
        if writes:
            window.argument.stored(offsets, width)
        return self._backings[id(window.argument)], offsets

    def _by_lane(
        self, chosen: Addresses, who: Offsets, width: int, octets: Octets | None, place: Place
    ) -> Octets:
        """Each lane by itself: what is loaded, byte by byte, or what was to be stored."""
        writes = octets is not None
        result = np.zeros((len(chosen), width), dtype=np.uint8) if octets is None else octets
        inside = False
        for window, lanes in self._windows.split(chosen):
            if window is not None:
                inside |= self._in_window(window, chosen, lanes, who, result, writes, place)
                continue
            self._unknown(writes, place.of(int(who[lanes][0])))
            if not writes:
                self._poison.drawn = True
                result[lanes] = np.resize(_UNKNOWN_CONTENT, width)
        self._stop_if_lost(inside)
        return result

    def _in_window(
        self, window: Window, chosen: Addresses, lanes: Mask, who: Offsets, octets: Octets,
        writes: bool, place: Place,
    ) -> bool:  # fmt: skip
        """The elements of one argument that these lanes touch, those inside and those that are stray."""
        argument, width = window.argument, octets.shape[1]
        rows, offsets = np.flatnonzero(lanes), window.offsets(chosen[lanes])
        unit = argument.itemsize if width % argument.itemsize == 0 else width
        any_inside = False
        for start in range(0, width, unit):
            at = offsets + start
            good = argument.inside(at, unit)
            if good.any():
                any_inside = True
                _told(argument, at[good], unit, writes)
                self._copy(argument, at[good], rows[good], octets, start, unit, writes)
                if writes:
                    self._note(argument, at[good], who[rows[good]], unit, place)
            if not good.all():
                self._stray(argument, at[~good], unit, writes, place.of(int(who[rows[~good][0]])))
                if not writes:
                    self._poisoned(argument, octets, rows[~good], start, unit)
        return any_inside

    def _copy(
        self, argument: Argument, at: Offsets, rows: Offsets, octets: Octets,
        start: int, unit: int, writes: bool,
    ) -> None:  # fmt: skip
        backing = self._backings[id(argument)]
        memory = backing.words[1]
        if self._table and unit == 8 and backing.addresses and not writes:
            whole = np.ascontiguousarray(memory[at[:, None] + np.arange(8)]).view(np.uint64)
            octets[np.ix_(rows, np.arange(start, start + 8))] = self._table.loaded(whole).view(np.uint8)
            return
        for byte in range(unit):
            if writes:
                memory[at + byte] = octets[rows, start + byte]
            else:
                octets[rows, start + byte] = memory[at + byte]

    def _note(self, argument: Argument, at: Offsets, who: Offsets, width: int, place: Place) -> None:
        """Remember who stored elements of the argument that is watched."""
        if self.stores and self.stores.argument is argument:
            self.stores.add(at, who, width, place)

    def _poisoned(self, argument: Argument, octets: Octets, rows: Offsets, start: int, unit: int) -> None:
        self._poison.drawn = True
        pattern = np.resize(self._backings[id(argument)].poison, unit)
        octets[np.ix_(rows, np.arange(start, start + unit))] = pattern

    def _stray(self, argument: Argument, at: Offsets, unit: int, writes: bool, where: Where) -> None:
        past = (at < 0) | (at + unit > argument.nbytes)
        for lanes, message in ((past, None), (~past, "between the rows of the slice that was passed")):
            if lanes.any():
                fault = Fault(
                    kind="oob-write" if writes else "oob-read",
                    buffer=argument.buffer,
                    kernel=self.kernel,
                    numel=argument.nbytes // unit,
                    message=message,
                )
                self._violations.access(fault, at[lanes] // unit, where)

    def _unknown(self, writes: bool, where: Where) -> None:
        kind = "oob-write" if writes else "oob-read"
        self._violations.add(Fault(kind=kind, kernel=self.kernel, message=UNKNOWN), where)

    def _stop_if_lost(self, inside: bool) -> None:
        self._astray = 0 if inside else self._astray + 1
        if self._astray >= ASTRAY:
            raise Runaway(f"{self.kernel}: stopped after {ASTRAY} accesses in a row that were all stray")


def _memory(address: int, nbytes: int) -> Octets:
    """The memory of a tensor as bytes; one without elements has none."""
    if not nbytes:
        return np.empty(0, dtype=np.uint8)
    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))


def _active(mask: Mask) -> Offsets | None:
    """The lanes of a mask; None for all of them."""
    who = mask.nonzero()[0]
    return None if len(who) == len(mask) else who


def _spread(word: Words, who: Offsets, size: int) -> Words:
    """A word of each of these lanes, and 0 in the others."""
    result = np.zeros(size, dtype=np.uint32)
    result[who] = word
    return result


def _aligned(offsets: Offsets, size: int) -> bool:
    """Whether all offsets are multiples of a power of two."""
    return not int(np.bitwise_or.reduce(offsets)) & (size - 1)


def _gathered(backing: Backing, offsets: Offsets, width: int) -> list[Words]:
    """What so many bytes at these offsets hold, as words."""
    if width in (8, 16) and _aligned(offsets, width):
        return list(backing.words[width][offsets // width].T)
    size = min(width, 4)
    if size == 3 or not _aligned(offsets, size):
        rows = backing.words[1][offsets[:, None] + np.arange(width)]
        return [_joined(rows[:, at : at + 4]) for at in range(0, width, 4)]
    places = offsets // size
    return [backing.words[size][places + number].astype(np.uint32) for number in range(-(-width // 4))]


def _joined(octets: Octets) -> Words:
    """Up to four bytes of each lane as a word."""
    padded = np.zeros((octets.shape[0], 4), dtype=np.uint8)
    padded[:, : octets.shape[1]] = octets
    return padded.view("<u4")[:, 0].astype(np.uint32)


def _by_pairs(words: list[Words], change: Callable[[Octets64], Octets64]) -> list[Words]:
    """Words in twos as one of 64 bits each, changed."""
    result: list[Words] = []
    for low, high in zip(words[::2], words[1::2], strict=True):
        wide = above(high, low)
        changed = change(wide)
        halves = changed.view(np.uint32)
        result += [low, high] if changed is wide else [halves[::2], halves[1::2]]
    return result


def _scatter(backing: Backing, offsets: Offsets, width: int, values: list[Words]) -> None:
    if width in (8, 16) and _aligned(offsets, width):
        backing.words[width][offsets // width] = np.stack(values, axis=1)
        return
    size = min(width, 4)
    if size == 3 or not _aligned(offsets, size):
        octets = np.stack(values, axis=1).astype("<u4").view(np.uint8)[:, :width]
        backing.words[1][offsets[:, None] + np.arange(width)] = octets
        return
    places = offsets // size
    for number, word in enumerate(values):
        backing.words[size][places + number] = word.astype(f"u{size}")


def _told(argument: Argument, at: Offsets, unit: int, writes: bool) -> None:
    """Elements that were reached inside an argument, for the trace and for what was stored."""
    argument.touch(int(at.min()), int(at.max()) + unit - 1, writes)
    if writes:
        argument.stored(at, unit)

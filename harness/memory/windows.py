"""Windows of addresses: each tensor of a launch gets one, far above anything a process can map.

Pointer arithmetic carries the window along, so that an address says by itself which tensor it was
derived from and how far it strayed, and no other allocation can be hit by accident.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from harness.errors import Unresolved
from harness.memory.names import address_of
from harness.memory.stored import WIDE, Stored
from harness.memory.summary import name_of_type, summarize

Addresses = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]
Lanes = npt.NDArray[np.bool_]

WINDOW_BITS = 48
"""User space ends at 2**47, so bit 48 and up can hold the number of the window."""
MIDDLE = 1 << (WINDOW_BITS - 1)
FAR_BITS = WINDOW_BITS - 2
"""An offset of at least 2**FAR_BITS bytes would leave its window; it gets a window of its own."""
_KEPT_ALIGNMENT = 4096
_LAST_WINDOW = (1 << (64 - WINDOW_BITS)) - 1
_ADDRESSES = 1 << 64


@dataclass
class Extent:
    """First and last element touched; empty until something was."""

    first: int | None = None
    last: int | None = None

    def include(self, low: int, high: int) -> None:
        if self.first is None or low < self.first:
            self.first = low
        if self.last is None or high > self.last:
            self.last = high

    def told(self) -> list[int] | None:
        return None if self.first is None or self.last is None else [self.first, self.last]


@dataclass
class Argument:
    """A tensor that a kernel was given, and what of it was touched.

    `real` is its address, `nbytes` the bytes from its first to its last element. `gaps` says
    whether there is memory between its elements that is not its own: a slice of wider rows. With `whole`
    all of its allocation is its own: `nbytes` reach to the end of that, and `floor` (in bytes, else 0) to
    its start. `stores` has the elements stored to where the tensor is very large.
    """

    name: str
    tensor: torch.Tensor
    buffer: str
    read: Extent = field(default_factory=Extent)
    written: Extent = field(default_factory=Extent)
    whole: bool = False

    def __post_init__(self) -> None:
        self.itemsize = self.tensor.element_size()
        self.real = address_of(self.tensor)
        self.span, self.gaps = self.tensor.numel(), False
        self._rows: list[tuple[int, int]] = []
        if not self.tensor.is_contiguous():
            self._spread()
        self.nbytes = self.span * self.itemsize
        self.floor = 0
        if self.whole:
            self._widen()
        self.forget()

    def forget(self) -> None:
        """Know of nothing that was touched."""
        self.read, self.written = Extent(), Extent()
        self.stores = Stored(self.itemsize) if self.nbytes - self.floor >= WIDE else None

    def _spread(self) -> None:
        """Tell what there is between the elements."""
        numel, sizes = self.span, list(zip(self.tensor.shape, self.tensor.stride(), strict=True))
        self.span = sum((size - 1) * stride for size, stride in sizes) + 1 if numel else 0
        self._rows = sorted(((stride, size) for size, stride in sizes if size > 1), reverse=True)
        # Overlapping elements (a stride of 0, a sliding window) leave no gaps to speak of.
        self.gaps = not self.whole and numel < self.span and self._disjoint()

    def _widen(self) -> None:
        front = int(self.tensor.storage_offset()) * self.itemsize
        self.floor, self.nbytes = -front, self.tensor.untyped_storage().nbytes() - front

    def _disjoint(self) -> bool:
        reach = 1
        for stride, size in reversed(self._rows):
            if stride < reach:
                return False
            reach = stride * (size - 1) + reach
        return True

    def inside(self, offsets: Offsets, width: int) -> Lanes:
        """Which accesses of `width` bytes at these byte offsets touch elements of this tensor alone."""
        good = (offsets >= self.floor) & (offsets + width <= self.nbytes)
        if self.gaps:
            good &= self._on_element(offsets // self.itemsize)
            good &= self._on_element((offsets + width - 1) // self.itemsize)
        return good

    def _on_element(self, elements: Offsets) -> Lanes:
        good, rest = np.ones(elements.shape, dtype=bool), elements
        for stride, size in self._rows:
            good &= rest // stride < size
            rest = rest % stride if stride else rest
        return np.asarray(good & (rest == 0))

    def overlaps(self, other: Argument) -> bool:
        """Whether the memory from its first to its last byte is partly that of another."""
        low, high = self.real + self.floor, self.real + self.nbytes
        return low < other.real + other.nbytes and other.real + other.floor < high

    def touch(self, low: int, high: int, writes: bool) -> None:
        """Note that the bytes from `low` to `high` were accessed."""
        extent = self.written if writes else self.read
        extent.include(low // self.itemsize, high // self.itemsize)

    def stored(self, offsets: Offsets, width: int) -> None:
        """Note stores of `width` bytes at these byte offsets, all of them inside."""
        if self.stores is not None:
            self.stores.add(offsets, width)

    def _content(self, first: int, last: int) -> torch.Tensor:
        """What lies between these elements now; of a very large tensor only what was stored to."""
        start = self.tensor.storage_offset() + first
        whole = torch.as_strided(self.tensor, (last - first + 1,), (1,), start)
        return whole if self.stores is None else whole[torch.from_numpy(self.stores.elements() - first)]

    def facts(self) -> dict[str, Any]:
        dtype, shape = name_of_type(self.tensor.dtype), list(self.tensor.shape)
        described: dict[str, Any] = {"buffer": self.buffer, "dtype": dtype, "shape": shape}
        spans = {"read": self.read.told(), "written": self.written.told()}
        described |= {name: span for name, span in spans.items() if span}
        if written := spans["written"]:
            wrote = summarize(self._content(*written))
            described["wrote"] = {k: v for k, v in wrote.items() if k in ("values", "sha256", "summary")}
        return described


class Window(NamedTuple):
    """Part of the address space that stands for a tensor.

    An address `a` in it lies `a - base + bias` bytes behind the tensor's first element.
    """

    argument: Argument
    base: int
    bias: int
    delta: np.uint64
    """What to add to an address to get the real one, modulo 2**64."""

    def offsets(self, addresses: Addresses) -> Offsets:
        distance = addresses + np.uint64((self.bias - self.base) % _ADDRESSES)
        return distance.view(np.int64)


class Windows:
    """The windows of one process. Numbers are not used again soon, so that a pointer kept from one
    launch to the next is recognised.

    Windows of fewer `bits`, of which there are up to `last`, are for addresses that keep less: one of a
    buffer on a GPU has 48. `moved` is for the full width alone.
    """

    def __init__(self, bits: int = WINDOW_BITS, last: int = _LAST_WINDOW) -> None:
        self._bits, self._most = bits, last
        self._windows: dict[int, Window] = {}
        self._far: dict[tuple[int, int], Window] = {}
        self._last = 0

    def open(self, argument: Argument, bias: int = 0) -> Window:
        number = self._free_number()
        base = (number << self._bits) + (1 << (self._bits - 1)) + argument.real % _KEPT_ALIGNMENT
        delta = np.uint64((argument.real - base + bias) % _ADDRESSES)
        window = Window(argument, base, bias, delta)
        self._windows[number] = window
        return window

    def _free_number(self) -> int:
        if len(self._windows) == self._most:
            raise Unresolved(
                f"a kernel derived more than {self._most} far-off pointers: make the case smaller"
            )
        self._last = self._last % self._most + 1
        while self._last in self._windows:
            self._last = self._last % self._most + 1
        return self._last

    def close(self, arguments: list[Argument]) -> None:
        """Forget the windows of a launch that is over."""
        gone = {id(argument) for argument in arguments}
        self._windows = {n: w for n, w in self._windows.items() if id(w.argument) not in gone}
        self._far = {key: w for key, w in self._far.items() if key[0] not in gone}

    def find(self, address: int) -> Window | None:
        return self._windows.get(address >> self._bits)

    def split(self, addresses: Addresses) -> Iterator[tuple[Window | None, Lanes]]:
        """Each window that some of these addresses lie in, with a mask of them."""
        numbers = addresses >> np.uint64(self._bits)
        for number in np.unique(numbers):
            yield self._windows.get(int(number)), numbers == number

    def grouped(self, addresses: Addresses) -> Iterator[tuple[Window | None, slice | Offsets]]:
        """As `split`, of one row of addresses: with each window the places of those in it, in order."""
        numbers = addresses >> np.uint64(self._bits)
        if self._bits >= WINDOW_BITS:
            numbers = numbers.astype(np.uint16)  # few bits are quick to sort
        order = None if (numbers[1:] >= numbers[:-1]).all() else np.argsort(numbers, kind="stable")
        ordered = numbers if order is None else numbers[order]
        ends = [*(np.flatnonzero(ordered[1:] != ordered[:-1]) + 1).tolist(), len(ordered)]
        for start, end in pairwise([0, *ends]):
            places = slice(start, end) if order is None else order[start:end]
            yield self._windows.get(int(ordered[start])), places

    def moved(self, addresses: Addresses, distance: Offsets) -> Addresses:
        """`addresses + distance` where some distance is so large that it would leave the window."""
        addresses, distance = np.broadcast_arrays(addresses, distance)
        result = addresses + distance.view(np.uint64)
        for window, lanes in self.split(addresses):
            if window is not None:
                result[lanes] = self._moved_in(window, window.offsets(addresses[lanes]) + distance[lanes])
        return result

    def _moved_in(self, window: Window, offsets: Offsets) -> Addresses:
        half = 1 << (FAR_BITS - 1)
        parts = (offsets + half) >> FAR_BITS  # wraps at the very end, as an address does
        result = np.empty(offsets.shape, dtype=np.uint64)
        for part in np.unique(parts):
            lanes = parts == part
            target = self._far_window(window.argument, int(part))
            shift = np.uint64((target.base - target.bias) % _ADDRESSES)
            result[lanes] = offsets[lanes].view(np.uint64) + shift
        return result

    def _far_window(self, argument: Argument, part: int) -> Window:
        key = (id(argument), part)
        if key not in self._far:
            self._far[key] = self.open(argument, bias=part << FAR_BITS)
        return self._far[key]

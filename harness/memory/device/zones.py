"""Where the red zones of a buffer lie: in front, behind, and between rows where the strides allow it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from harness.memory.poison import Poison

RED_ZONE_BYTES = 512
"""In front of a buffer and, unless asked for more, behind it; what torch's device allocator aligns to."""
ROW_ZONE_BYTES = 64
"""Behind every row of a buffer with fences between its rows."""
WORD = 8
"""Bytes of a canary's pattern; every element size up to this divides it."""


@dataclass(frozen=True)
class Zone:
    """`nbytes` bytes that nobody may write, from `offset` on, in bytes relative to the buffer."""

    offset: int
    nbytes: int
    row: int | None = None


@dataclass(frozen=True)
class Layout:
    """How a buffer and its zones lie in memory.

    `shape` and `stride` in elements, `nbytes` from the first byte of the buffer to behind its last
    element. `pitch` is the distance of two rows in elements where zones lie between them.
    """

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    itemsize: int
    nbytes: int
    zones: tuple[Zone, ...]
    pitch: int | None = None

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def width(self) -> int:
        return self.shape[-1]

    def element(self, offset: int) -> int:
        """The element that a byte would be part of, had the buffer no zones between its rows."""
        place = offset // self.itemsize
        if self.pitch is None or place < 0:
            return place
        row, column = divmod(place, self.pitch)
        return row * self.width + column

    def column(self, offset: int) -> int:
        """The index within its row of the element that a byte belongs to."""
        return offset // self.itemsize % (self.pitch or self.width)


def plain(shape: Sequence[int], stride: Sequence[int], itemsize: int, behind: int = RED_ZONE_BYTES) -> Layout:
    """A buffer of these strides (elements, none negative) between two zones, `behind` bytes after it."""
    nbytes = span(shape, stride) * itemsize
    return Layout(tuple(shape), tuple(stride), itemsize, nbytes, _around(nbytes, behind))


def by_rows(shape: Sequence[int], itemsize: int, behind: int = RED_ZONE_BYTES) -> Layout:
    """A buffer of at least two dimensions with a zone behind each of its rows (its innermost dimension)."""
    width = shape[-1]
    pitch = width + max(1, ROW_ZONE_BYTES // itemsize)
    stride = [1, pitch]
    for size in reversed(shape[1:-1]):
        stride.append(stride[-1] * size)
    stride = stride[: len(shape)][::-1]
    nbytes = span(shape, stride) * itemsize
    rows = math.prod(shape[:-1])
    between = [
        Zone((row * pitch + width) * itemsize, (pitch - width) * itemsize, row) for row in range(rows - 1)
    ]
    return Layout(tuple(shape), tuple(stride), itemsize, nbytes, (*_around(nbytes, behind), *between), pitch)


def _around(nbytes: int, behind: int) -> tuple[Zone, ...]:
    after = (Zone(nbytes, behind),) if behind else ()
    return (Zone(-RED_ZONE_BYTES, RED_ZONE_BYTES), *after)


def has_rows(shape: Sequence[int], stride: Sequence[int]) -> bool:
    """Whether zones fit between the rows: at least two dimensions, contiguous, not empty."""
    contiguous = span(shape, stride) == math.prod(shape) and stride[-1:] in ((1,), [1])
    return len(shape) > 1 and contiguous and tuple(stride) == tuple(sorted(stride, reverse=True))


def pieces(zone: Zone) -> list[Zone]:
    """A zone in parts that one program of a sweep looks at."""
    ends = range(0, zone.nbytes, RED_ZONE_BYTES)
    return [Zone(zone.offset + begin, min(RED_ZONE_BYTES, zone.nbytes - begin), zone.row) for begin in ends]


def span(shape: Sequence[int], stride: Sequence[int]) -> int:
    """Elements from the first to behind the last one."""
    return sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) + 1


def canary(dtype: torch.dtype, number: int, poison: Poison | None = None) -> int:
    """What a piece of a zone of a buffer of this type is filled with: a signed 64-bit word.

    It is the poison of the buffer's type, so that a stray read of a zone shows in the outputs as one of
    memory never written does; `number` tells it from other pieces', so that a copy of theirs shows here.
    """
    real = _as_poisoned(dtype)
    word = (poison or Poison()).numbered(real, number).to_bytes(real.itemsize, "little")
    return int.from_bytes(word * (WORD // real.itemsize), "little", signed=True)


def filled(canaries: Sequence[int], nbytes: int) -> torch.Tensor:
    """What a zone holds whose pieces have these canaries, in turn: uint8 [nbytes] on the CPU.

    Made here and copied in one go: a device asked for every piece by itself does little else.
    """
    words = np.repeat(np.array(canaries, np.int64), RED_ZONE_BYTES // WORD)
    return torch.from_numpy(words.view(np.uint8)[:nbytes])


def _as_poisoned(dtype: torch.dtype) -> torch.dtype:
    if dtype == torch.bool:  # a true one would be no canary
        return torch.uint8
    if dtype.is_complex:
        return torch.float32 if dtype == torch.complex64 else torch.float64
    return dtype

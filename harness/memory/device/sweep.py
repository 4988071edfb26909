"""Looks at every red zone of a device at once, by one small kernel that CUDA graphs can hold.

The zones' addresses lie in a table of fixed size in the device's memory, so that a sweep that was
captured also sees zones that were added after the capture. The kernel marks the zones that are
damaged and raises a flag in the host's memory, which the host can look at without waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import triton
import triton.language as tl

from harness.memory.device import zones
from harness.memory.device.memory import Region
from harness.memory.device.zones import RED_ZONE_BYTES, WORD, Zone

CAPACITY = 1 << 16
"""Zones that one device can have; 24 bytes each."""
_PROGRAMS = 264
_TOGETHER = 4
"""Zones that a program looks at in one go, so that their loads wait for memory together."""
_COLUMNS = 3


def sweep(  # type: ignore[no-untyped-def]  # Triton looks annotations up among a kernel's globals
    table, count, marks, flag,
    PROGRAMS: tl.constexpr, TOGETHER: tl.constexpr, BYTES: tl.constexpr, WORD: tl.constexpr,
):  # fmt: skip
    """Marks damaged zones. `table` int64 [CAPACITY, 3], `marks` int32 [CAPACITY], `flag` int32 [1]."""
    zones = tl.load(count)
    offsets = tl.arange(0, BYTES)[None, :]
    shifts = ((offsets % WORD) * 8).to(tl.int64)
    for start in range(tl.program_id(0) * TOGETHER, zones, PROGRAMS * TOGETHER):
        zone = start + tl.arange(0, TOGETHER)
        known = zone < zones
        address = tl.load(table + zone * 3, mask=known, other=0)
        size = tl.load(table + zone * 3 + 1, mask=known, other=0)
        pattern = tl.load(table + zone * 3 + 2, mask=known, other=0)
        bytes_of = address.to(tl.pointer_type(tl.uint8))[:, None] + offsets
        inside = offsets < size[:, None]
        seen = tl.load(bytes_of, mask=inside, other=0).to(tl.int64)
        wanted = (pattern[:, None] >> shifts) & 255
        bad = tl.max((inside & (seen != wanted)).to(tl.int32), 1)
        tl.store(marks + zone, bad, mask=known & (bad > 0))
        tl.store(flag + zone * 0, bad, mask=known & (bad > 0))


_KERNEL = triton.jit(sweep)


@dataclass(frozen=True)
class Watched:
    """A piece of a zone, in whose memory it lies, and the word that fills it."""

    region: Region
    zone: Zone
    canary: int

    def row(self) -> list[int]:
        """What the device's table tells of it."""
        return [self.region.address + self.zone.offset, self.zone.nbytes, self.canary]

    def memory(self) -> torch.Tensor:
        """uint8 [nbytes]."""
        return self.region.view(self.zone.offset, self.zone.nbytes)


@dataclass(frozen=True)
class _Tables:
    zones: torch.Tensor
    count: torch.Tensor
    marks: torch.Tensor
    flag: torch.Tensor


class Sweeper:
    """The zones of one device. Not safe to change from two threads at once."""

    def __init__(self, device: torch.device) -> None:
        made: dict[str, Any] = {"device": device}
        self._tables = _Tables(
            zones=torch.zeros(CAPACITY, _COLUMNS, dtype=torch.int64, **made),
            count=torch.zeros(1, dtype=torch.int32, **made),
            marks=torch.zeros(CAPACITY, dtype=torch.int32, **made),
            flag=torch.zeros(1, dtype=torch.int32, device="cpu", pin_memory=device.type != "cpu"),
        )
        self._device = device
        self._used = 0
        self._free: list[int] = []
        self._watched: dict[int, Watched] = {}

    def room_for(self, pieces: int) -> bool:
        return pieces <= CAPACITY - self._used + len(self._free)

    def add(self, pieces: Sequence[Watched]) -> list[int]:
        """Take pieces that are filled with their canaries into the table; returns the slot of each."""
        slots = [self._slot() for _ in pieces]
        self._watched.update(zip(slots, pieces, strict=True))
        self._write(slots, [piece.row() for piece in pieces])
        return slots

    def remove(self, slots: Sequence[int]) -> None:
        """Forget zones; their memory may go when the device is done with what it was asked for."""
        self._write(slots, [[0, 0, 0]] * len(slots))
        self._free += slots
        for slot in slots:
            del self._watched[slot]

    def launch(self) -> None:
        """Ask the device for a sweep, behind what the current stream has to do; does not wait."""
        if self._device.type != "cpu":
            tables = self._tables
            sizes = dict(PROGRAMS=_PROGRAMS, TOGETHER=_TOGETHER, BYTES=RED_ZONE_BYTES, WORD=WORD)
            _KERNEL[(_PROGRAMS,)](tables.zones, tables.count, tables.marks, tables.flag, **sizes)

    @property
    def raised(self) -> bool:
        """Whether a sweep that has ended by now found damage."""
        return bool(self._tables.flag.item())

    def damaged(self) -> dict[int, npt.NDArray[np.int64]]:
        """Wait for the device; the slots of damaged zones with the bytes that were written, set anew."""
        if self._device.type == "cpu":
            slots = list(self._watched)
        else:
            torch.cuda.synchronize(self._device)
            slots = self._tables.marks.nonzero().ravel().tolist() if self.raised else []
            self._tables.marks.zero_()
        self._tables.flag.zero_()
        found = {slot: self._written(slot) for slot in slots if slot in self._watched}
        return {slot: places for slot, places in found.items() if places.size}

    def _written(self, slot: int) -> npt.NDArray[np.int64]:
        piece = self._watched[slot]
        memory, wanted = piece.memory(), zones.filled([piece.canary], piece.zone.nbytes)
        places = np.flatnonzero((memory.cpu() != wanted).numpy())
        if places.size:
            memory.copy_(wanted)
        return places

    def _slot(self) -> int:
        if self._free:
            return self._free.pop()
        self._used += 1
        return self._used - 1

    def _write(self, slots: Sequence[int], rows: Sequence[Sequence[int]]) -> None:
        if not slots:
            return
        where = torch.tensor(slots, device=self._device)
        self._tables.zones[where] = torch.tensor(rows, device=self._device)
        self._tables.count.fill_(self._used)

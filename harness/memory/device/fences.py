"""Fenced allocations in a device's memory: what `harness.memory.fences` is to the CPU's.

A buffer lies between red zones, with zones between its rows where that was asked for, or in front of
an unmapped page. Zones are looked at by `check`, which waits for the device, or by `launch` and
`poll`, which do not.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, count, islice

import numpy as np
import torch

from harness.memory.device import zones
from harness.memory.device.ledger import Entry, Ledger
from harness.memory.device.memory import Region, Source
from harness.memory.device.sweep import Sweeper, Watched
from harness.memory.device.zones import Layout, Zone
from harness.memory.fences import Like
from harness.memory.poison import Poison
from harness.memory.violations import Elements, Violations, Where
from harness.observation import Fault


class _Handle:
    """Lives as long as somebody uses a buffer's memory."""


@dataclass(frozen=True, eq=False)
class Block:
    """One fenced buffer."""

    name: str | None
    layout: Layout
    region: Region
    slots: Mapping[int, Zone] = field(default_factory=dict)


class DeviceFences:
    """The fenced buffers of one device. `rows` names the buffers with zones between their rows."""

    def __init__(
        self,
        violations: Violations,
        source: Source,
        *,
        rows: Iterable[str] = (),
        ledger: Ledger | None = None,
        poison: Poison | None = None,
    ) -> None:
        self._violations = violations
        self._source = source
        self._rows = frozenset(rows)
        self._ledger = ledger or Ledger()
        self._sweeper = Sweeper(source.device)
        self._blocks: dict[int, Block] = {}
        self._by_slot: dict[int, tuple[Block, Zone]] = {}
        self._left: deque[Block] = deque()
        self._poison = poison or Poison()
        self._poison.drawn = True  # zones are poison, too
        self._numbers = count()
        self._graphs = False
        self.fenced = 0
        self.unfenced: dict[str, int] = {}
        self.rows_left: dict[str, set[int]] = {}

    # --- allocations -----------------------------------------------------------------------

    def outside(self, device: torch.device | None) -> str | None:
        """Why memory on this device cannot be fenced here; None if it can."""
        mine = self._source.device
        if (device or torch.get_default_device()).type != mine.type:
            return f"not in the memory of {mine.type}"
        if mine.type != "cpu" and torch.cuda.is_current_stream_capturing():
            return "allocated while a graph was captured"
        return None

    def allocate(self, like: Like, name: str | None) -> torch.Tensor:
        """Zeroed memory between red zones, of the shape and type of `like`.

        Strides are those of `like`, but for buffers with zones between their rows.
        """
        by_rows = name in self._rows and zones.has_rows(like.shape, like.stride())
        itemsize = like.element_size()
        nbytes = zones.by_rows(like.shape, itemsize).nbytes if by_rows else _bytes(like)
        region = self._source.take(nbytes)
        if by_rows:
            layout = zones.by_rows(like.shape, itemsize, region.behind)
        else:
            layout = zones.plain(like.shape, like.stride(), itemsize, region.behind)
        return self._fenced(Block(name, layout, region), like.dtype)

    def _fenced(self, block: Block, dtype: torch.dtype) -> torch.Tensor:
        handle, layout, region = _Handle(), block.layout, block.region
        memory = region.view(0, layout.nbytes, handle)
        memory.zero_()
        block = self._with_zones(block, dtype)
        self._blocks[region.address] = block
        self._ledger.add(_entry(block))
        weakref.finalize(handle, self._left.append, block).atexit = False
        self.fenced += 1
        return memory.view(dtype).as_strided(layout.shape, layout.stride)

    def _with_zones(self, block: Block, dtype: torch.dtype) -> Block:
        # A zone behind an electric fence's buffer is what its size leaves over; often that is nothing.
        cut = [zones.pieces(zone) for zone in block.layout.zones]
        wanted = list(chain.from_iterable(cut))
        if not self._sweeper.room_for(len(wanted)):
            self.leave_out("without red zones: more of them than a device's table holds")
            return block
        canaries = [zones.canary(dtype, next(self._numbers), self._poison) for _ in wanted]
        _fill(block, map(len, cut), canaries)
        pieces = [Watched(block.region, zone, word) for zone, word in zip(wanted, canaries, strict=True)]
        slots = dict(zip(self._sweeper.add(pieces), wanted, strict=True))
        block = Block(block.name, block.layout, block.region, slots)
        self._by_slot.update({slot: (block, zone) for slot, zone in slots.items()})
        return block

    def leave_out(self, reason: str) -> None:
        """Count an allocation that stays without a fence."""
        self.unfenced[reason] = self.unfenced.get(reason, 0) + 1

    def holds(self, tensor: torch.Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self._blocks

    def name_of(self, tensor: torch.Tensor) -> str | None:
        """What the allocation under this tensor was bound to when it was made."""
        block = self._blocks.get(tensor.untyped_storage().data_ptr())
        return block.name if block else None

    def poisoned(self, tensor: torch.Tensor, poison: Poison) -> None:
        """Nobody sees who reads a device's memory: poison that is there counts as read."""
        poison.drawn = True

    def release(self, tensor: torch.Tensor) -> None:
        """Move a tensor into memory of torch's own, which can be resized and shared."""
        plain = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=tensor.device)
        plain.copy_(tensor.detach())
        tensor.set_(plain.untyped_storage(), 0, tensor.shape, tensor.stride())
        self.leave_out("resized by the code under test")

    def keep_for_graphs(self) -> None:
        """Never unmap a buffer from now on: a captured graph may come back to it."""
        self._graphs = True

    # --- looking at the zones --------------------------------------------------------------

    def launch(self) -> None:
        """Have the device look at all zones, behind what its current stream has to do; does not wait."""
        self._sweeper.launch()

    def poll(self, kernel: str | None = None) -> None:
        """Report damage that a sweep has found by now; waits for the device only if there is some."""
        if self._sweeper.raised:
            self._report(kernel)

    def check(self, kernel: str | None = None) -> None:
        """Look at every zone, wait for the result and report damage, as done by `kernel` if given."""
        self._sweeper.launch()
        self._report(kernel)
        self._let_go()

    def retire(self) -> None:
        """Give back at once what nobody uses any more, so that an electric fence stands in its place."""
        if self._left:
            self.check()

    def check_some(self, tensors: Iterable[torch.Tensor], kernel: str) -> None:
        """Look at the zones just after `kernel` had these tensors."""
        if any(self.holds(tensor) for tensor in tensors):
            self.check(kernel)

    def _report(self, kernel: str | None) -> None:
        for slot, places in self._sweeper.damaged().items():
            block, zone = self._by_slot[slot]
            self._tell(block, zone, places, kernel)

    def _tell(self, block: Block, zone: Zone, places: Elements, kernel: str | None) -> None:
        layout = block.layout
        offsets = [zone.offset + int(place) for place in places]
        if zone.row is None:
            fault = Fault(kind="oob-write", buffer=block.name, kernel=kernel, numel=layout.numel)
            self._violations.access(fault, _distinct(layout.element(offset) for offset in offsets))
            return
        fault = Fault(kind="index-range", buffer=block.name, kernel=kernel, numel=layout.width)
        columns = _distinct(layout.column(offset) for offset in offsets)
        self.rows_left.setdefault(block.name or "a buffer", set()).add(zone.row)
        self._violations.index(fault, columns, Where(f"row {zone.row} of {layout.numel // layout.width}"))

    def _let_go(self) -> None:
        """Give back the memory of buffers that nobody uses any more; their zones were just looked at."""
        for _ in range(len(self._left)):
            block = self._left.popleft()
            self._sweeper.remove(list(block.slots))
            for slot in block.slots:
                del self._by_slot[slot]
            if self._blocks.get(block.region.address) is block:
                del self._blocks[block.region.address]
            if not self._graphs:
                block.region.close()

    def notes(self) -> list[str]:
        """What a person should know of allocations that had no fence."""
        left = [f"{name}: rows {sorted(rows)} were left" for name, rows in sorted(self.rows_left.items())]
        return left + [
            f"{count} allocations without a fence: {reason}"
            for reason, count in sorted(self.unfenced.items())
        ]


def _fill(block: Block, counts: Iterable[int], canaries: Iterable[int]) -> None:
    """Write a block's zones, of so many pieces each, which have these canaries in turn."""
    left = iter(canaries)
    for zone, number in zip(block.layout.zones, counts, strict=True):
        mine = list(islice(left, number))
        block.region.view(zone.offset, zone.nbytes).copy_(zones.filled(mine, zone.nbytes))


def _bytes(like: Like) -> int:
    return zones.span(like.shape, like.stride()) * like.element_size()


def _entry(block: Block) -> Entry:
    layout, region = block.layout, block.region
    high = region.guard[1] if region.guard else region.address + layout.nbytes + region.behind
    low = region.address - zones.RED_ZONE_BYTES
    return Entry(block.name, region.address, layout.nbytes, layout.itemsize, low, high)


def _distinct(elements: Iterable[int]) -> Elements:
    return np.unique(np.fromiter(elements, dtype=np.int64))

"""Checks index tensors on the device itself, in a way that CUDA graphs can hold, without waiting.

One operation, `refault::watch_indices`, that code can ask for and that compiled code can contain. It
writes how many indices strayed, how far, and from which rows, into a table in the device's memory,
and raises a flag in the host's, which the host can look at without waiting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import triton
import triton.language as tl

from harness.memory.device import gone
from harness.memory.violations import Violations, Where
from harness.observation import Fault

NAMESPACE, OPERATION = "refault", "watch_indices"
_SCHEMA = (
    f"{OPERATION}(Tensor(a!) index, int dim, bool wraps, SymInt extent, str? buffer, str op, str place) -> ()"
)
CAPACITY = 1024
"""Places in code that one device can have; 40 bytes each."""
_MOST = (1 << 63) - 1
_UNTOUCHED = (0, _MOST, -_MOST, _MOST, -_MOST)
"""A record: stray indices, the lowest and the highest, the first and the last row that has one."""
_BLOCK = 1024
_COUNTS = ("n", "width", "floor", "extent")


def watch(  # type: ignore[no-untyped-def]  # Triton looks annotations up among a kernel's globals
    index, n, width, floor, extent, record, flag, BLOCK: tl.constexpr, MOST: tl.constexpr,
):  # fmt: skip
    """Notes indices outside [floor, extent). `index` of n integers, `record` int64 [5], `flag` int32 [1]."""
    offsets = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = offsets < n
    value = tl.load(index + offsets, mask=inside, other=0).to(tl.int64)
    violation = inside & ((value < floor) | (value >= extent))
    count = tl.sum(violation.to(tl.int64), 0)
    if count > 0:
        row = offsets // width
        tl.atomic_add(record, count)
        tl.atomic_min(record + 1, tl.min(tl.where(violation, value, MOST), 0))
        tl.atomic_max(record + 2, tl.max(tl.where(violation, value, -MOST), 0))
        tl.atomic_min(record + 3, tl.min(tl.where(violation, row, MOST), 0))
        tl.atomic_max(record + 4, tl.max(tl.where(violation, row, -MOST), 0))
        tl.store(flag, 1)


# Kept from making variants of it: one that is new would have to be loaded while a graph is captured.
_KERNEL = triton.jit(
    watch, do_not_specialize=_COUNTS, do_not_specialize_on_alignment=("index", "record", "flag")
)


@dataclass(frozen=True)
class Site:
    """One operation of the code under test that indexes: what into, over how many, and where it stands."""

    buffer: str | None
    op: str
    extent: int
    rows: int
    place: str


@dataclass(frozen=True)
class _Tables:
    records: torch.Tensor
    flag: torch.Tensor

    @classmethod
    def on(cls, device: torch.device) -> _Tables:
        records = torch.tensor([_UNTOUCHED] * CAPACITY, dtype=torch.int64, device=device)
        pinned = device.type != "cpu"
        return cls(records, torch.zeros(1, dtype=torch.int32, device="cpu", pin_memory=pinned))


class WatchedIndices:
    """The index checks of one device; the operation is torch's for as long as this lives.

    Its memory is made by `prepare`, which has to come before a graph is captured.
    """

    def __init__(self, violations: Violations, context: gone.Context | None = None) -> None:
        self._violations = violations
        self._context = context or gone.Context()
        self._tables: _Tables | None = None
        self._sites: dict[Site, int] = {}
        self.unwatched = 0
        self._library = torch.library.Library(NAMESPACE, "FRAGMENT")
        self._library.define(_SCHEMA, tags=(torch.Tag.flexible_layout,))
        self._library.impl(OPERATION, self._watch, "CompositeExplicitAutograd")
        torch.library.register_fake(f"{NAMESPACE}::{OPERATION}", _nothing, lib=self._library)

    def prepare(self, device: torch.device) -> _Tables:
        """Make the table, and load the kernel."""
        if self._tables is None:
            self._tables = _Tables.on(device)
            for dtype in (torch.int32, torch.int64):
                self._look(torch.zeros(1, dtype=dtype, device=device), 0, 1, 0, 1)
        return self._tables

    def close(self) -> None:
        """Take the operation away from torch."""
        self._library._destroy()

    def _watch(
        self, index: torch.Tensor, dim: int, wraps: bool, extent: int, buffer: str | None, op: str, place: str
    ) -> None:
        """Behind the operation; `dim` is the one of the index's that runs along what is indexed."""
        if not index.numel():
            return
        if not self._context.ask(lambda: self.prepare(index.device)):
            return
        rows = math.prod(index.shape[:dim])
        number = self._number(Site(buffer, op, extent, rows, place))
        if number is not None:
            floor = -extent if wraps else 0
            width = index.numel() // rows
            self._context.ask(lambda: self._look(index, number, width, floor, extent))

    def _number(self, site: Site) -> int | None:
        if site not in self._sites and len(self._sites) == CAPACITY:
            self.unwatched += 1
            return None
        return self._sites.setdefault(site, len(self._sites))

    def _look(self, index: torch.Tensor, number: int, width: int, floor: int, extent: int) -> None:
        tables = self.prepare(index.device)
        index, record = index.contiguous(), tables.records[number]
        if index.device.type == "cpu":
            _look_here(index.ravel().to(torch.int64), record, tables.flag, width, floor, extent)
            return
        programs = -(-index.numel() // _BLOCK)
        sizes = (index.numel(), width, floor, extent)
        _KERNEL[(programs,)](index, *sizes, record, tables.flag, BLOCK=_BLOCK, MOST=_MOST)

    @property
    def raised(self) -> bool:
        """Whether a check that has ended by now found stray indices."""
        return self._tables is not None and bool(self._tables.flag.item())

    def poll(self) -> None:
        """Report what strayed by now; waits for the device only if something did."""
        if self.raised:
            self.check()

    def check(self) -> None:
        """Wait for the device and report what strayed."""
        if self._tables is None:
            return
        records = self._tables.records.cpu().tolist()
        if not self.raised:
            return
        self._tables.flag.zero_()
        self._tables.records.copy_(torch.tensor(_UNTOUCHED, device="cpu"))
        for site, number in self._sites.items():
            if records[number][0]:
                self._tell(site, *records[number])

    def _tell(self, site: Site, count: int, lowest: int, highest: int, first: int, last: int) -> None:
        fault = Fault(kind="index-range", buffer=site.buffer, kernel=site.op, numel=site.extent)
        indices = np.full(count, lowest, dtype=np.int64)  # the table keeps the ends, and how many there are
        indices[-1] = highest
        rows = f"row {first}" if first == last else f"rows {first} to {last}"
        where = f"{site.place}, {rows} of {site.rows}" if site.rows > 1 else site.place
        self._violations.index(fault, indices, Where(where))

    def facts(self) -> Mapping[str, int]:
        """For people: how many places are watched, and how many calls had no room in the table."""
        return {"watched": len(self._sites), "unwatched": self.unwatched}


def _look_here(
    index: torch.Tensor, record: torch.Tensor, flag: torch.Tensor, width: int, floor: int, extent: int
) -> None:
    """What the kernel does, for the CPU's tensors."""
    violation = ((index < floor) | (index >= extent)).nonzero().ravel()
    if not violation.numel():
        return
    record[0] += violation.numel()
    for lowest, seen in ((1, index[violation]), (3, violation // width)):
        record[lowest] = torch.minimum(record[lowest], seen.min())
        record[lowest + 1] = torch.maximum(record[lowest + 1], seen.max())
    flag.fill_(1)


def _nothing(*args: object) -> None:
    """What a tracer is told of the operation: it makes nothing."""

"""Which of several stores to one element counts, where hardware leaves that to chance.

In one run it is always the same one: the last, or in a run that is made to compare with it one before the
last, and the programs of a kernel run in the other direction. What then comes out otherwise is chance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch


@dataclass
class Stores:
    """How the stores of one run that race are ordered, and which code had any.

    `earlier` is how many of the last stores to one element are passed over, as far as there are any before
    them; `only` are the kernels and operations that this is about, None for all of them. `racing` is what was
    seen, by kernel or operation: the largest number of stores to one element that do not agree.
    """

    earlier: int = 0
    only: frozenset[str] | None = None
    racing: dict[str, int] = field(default_factory=dict)

    def turned(self, name: str) -> bool:
        """Whether the stores of this kernel or operation come in another order than by default."""
        return self.earlier > 0 and (self.only is None or name in self.only)

    def chosen(self, name: str, positions: torch.Tensor, values: object) -> torch.Tensor:
        """Where the store to each position stands that counts; one for each position.

        `values` has the shape of `positions`, or is one number for all of them.
        """
        flat = positions.reshape(-1)
        order = flat.argsort(stable=True)
        ends = _ends(flat[order])
        if isinstance(values, torch.Tensor) and values.dim():
            self._see(name, ends, values.reshape(-1)[order])
        place = torch.arange(ends.numel(), device=ends.device)
        wanted = self._places(name, place, ends)
        marks = torch.zeros_like(ends)
        marks[order[wanted]] = True
        return marks.reshape(positions.shape)

    def saw(self, name: str, most: int) -> None:
        """Note stores to one element that do not agree."""
        self.racing[name] = max(self.racing.get(name, 0), most)

    def others(self) -> list[Stores]:
        """The runs to make: with the store before the last one, and with the first."""
        most = max(self.racing.values(), default=0)
        return [Stores(earlier, frozenset(self.racing)) for earlier in sorted({1, most - 1}) if most > 1]

    def _places(self, name: str, place: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """Of the sorted stores, the one that counts of each group."""
        last = place[ends]
        if not self.turned(name) or not last.numel():
            return last
        first = torch.cat((last.new_zeros(1), last[:-1] + 1))
        return torch.maximum(last - self.earlier, first)

    def _see(self, name: str, ends: torch.Tensor, values: torch.Tensor) -> None:
        """Note groups whose stores do not agree."""
        if bool(ends.all()):
            return
        group = torch.cumsum(ends, 0) - ends.to(torch.int64)
        same = (values[1:] == values[:-1]) | ((values[1:] != values[1:]) & (values[:-1] != values[:-1]))
        disagreeing = group[1:][~same & ~ends[:-1]]
        if disagreeing.numel():
            self.saw(name, int(torch.bincount(group)[disagreeing.unique()].max()))


def _ends(ordered: torch.Tensor) -> torch.Tensor:
    """Where a group of equal positions ends."""
    ends = torch.ones_like(ordered, dtype=torch.bool)
    ends[:-1] = ordered[1:] != ordered[:-1]
    return ends


@dataclass
class Written:
    """The stores of one launch in the interpreter, by address: one program's are in order, others' race.

    `values` are kept as they were stored, in arrays of any type.
    """

    addresses: list[npt.NDArray[np.uint64]] = field(default_factory=list)
    values: list[npt.NDArray[Any]] = field(default_factory=list)
    programs: list[npt.NDArray[np.int64]] = field(default_factory=list)
    orders: bool = False
    """Whether the launch has atomic operations, by which its programs may order themselves."""

    def add(
        self,
        addresses: npt.NDArray[np.uint64],
        values: npt.NDArray[Any],
        programs: npt.NDArray[np.int64],
    ) -> None:
        """One store: of each lane that is active, what it writes and the program that it is of."""
        if addresses.size:
            self.addresses.append(addresses)
            self.values.append(values)
            self.programs.append(programs)

    @property
    def race(self) -> bool:
        """Whether two programs leave different values in one element, or two lanes of one store."""
        if self.orders or not self.addresses:
            return False
        addresses = np.concatenate(self.addresses)
        if _apart(addresses) or _apart(np.sort(addresses)):
            return False
        values = np.concatenate([_bits(one) for one in self.values])
        sizes = [one.size for one in self.addresses]
        stores = np.repeat(np.arange(len(sizes)), sizes)
        programs = np.concatenate(self.programs)
        order = np.lexsort((stores, programs, addresses))
        addresses, values, stores, programs = (one[order] for one in (addresses, values, stores, programs))
        left = last_of_each_program(addresses, programs, stores)
        addresses, values = addresses[left], values[left]
        return bool(((addresses[1:] == addresses[:-1]) & (values[1:] != values[:-1])).any())


def _apart(addresses: npt.NDArray[np.uint64]) -> bool:
    """Whether these go up throughout, so that no two are the same."""
    return bool((addresses[1:] > addresses[:-1]).all())


def _bits(values: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    whole = np.ascontiguousarray(values)
    return whole.view(f"u{whole.dtype.itemsize}").astype(np.uint64)


def last_of_each_program(
    addresses: npt.NDArray[np.uint64], programs: npt.NDArray[np.int64], stores: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Of lanes sorted by address, program and store, those of a program's last store to an address."""
    ends = np.append((addresses[1:] != addresses[:-1]) | (programs[1:] != programs[:-1]), True)
    last = stores[ends]
    return np.asarray(stores == np.repeat(last, np.diff(np.flatnonzero(ends), prepend=-1)))

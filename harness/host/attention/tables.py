"""Reads of page tables as a kernel does them: nothing checks that they lie inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Stray:
    """A native function's read outside: `elements` are the positions in `buffer` of `numel` elements.

    `kind` is "oob-read" for entries behind a table, "index-range" for what it holds and the pool does not.
    """

    kind: str
    buffer: str
    kernel: str
    numel: int
    elements: tuple[int, ...]


Told = Callable[[Stray], None]


@dataclass(frozen=True, kw_only=True)
class Table:
    """The entries of one row of slots or pages, read by the function `kernel`, into a pool of `slots`."""

    entries: torch.Tensor
    name: str
    kernel: str
    slots: int
    told: Told

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Entries start to stop as int64; one that is not there, or that the pool lacks, becomes 0."""
        found = torch.zeros(max(0, stop - start), dtype=torch.int64)
        inside = self.entries[start:stop].long()
        found[: inside.numel()] = inside
        if inside.numel() < found.numel():
            self._tell("oob-read", self.name, self.entries.numel(), range(start + inside.numel(), stop))
        strange = (found < 0) | (found >= self.slots)
        if bool(strange.any()):
            self._tell("index-range", "k_cache", self.slots, found[strange].tolist())
            found[strange] = 0
        return found

    def _tell(self, kind: str, buffer: str, numel: int, elements: range | list[int]) -> None:
        self.told(Stray(kind=kind, buffer=buffer, kernel=self.kernel, numel=numel, elements=tuple(elements)))

"""Caches whose pages lie in any order, and the sequences in them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

HEADS, KV_HEADS, SIZE = 4, 2, 8


@dataclass(frozen=True)
class Pool:
    """`keys` and `values` are [pages, slots of a page, Hk, D]; `tables[i]` are the pages of sequence i."""

    keys: torch.Tensor
    values: torch.Tensor
    tables: list[list[int]]
    lengths: list[int]

    def slots(self, sequence: int) -> list[int]:
        """Where each token of a sequence lies, as a pool of single slots counts."""
        page = self.keys.shape[1]
        whole = [number * page + place for number in self.tables[sequence] for place in range(page)]
        return whole[: self.lengths[sequence]]

    def of(self, sequence: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A sequence's keys and values in their order."""
        rows = torch.tensor(self.slots(sequence), dtype=torch.int64)
        return tuple(one.flatten(0, 1)[rows] for one in (self.keys, self.values))  # type: ignore[return-value]


def pool(seed: int, lengths: list[int], page: int = 1) -> Pool:
    """Sequences of these lengths in a pool with pages to spare, scattered by the seed."""
    draw = torch.Generator().manual_seed(seed)
    counts = [-(-length // page) for length in lengths]
    pages = sum(counts) + 3
    order = torch.randperm(pages, generator=draw).tolist()
    starts = [sum(counts[:number]) for number in range(len(counts))]
    tables = [order[start : start + count] for start, count in zip(starts, counts, strict=True)]
    shape = (pages, page, KV_HEADS, SIZE)
    keys, values = (torch.randn(shape, generator=draw) for _ in range(2))
    return Pool(keys, values, tables, lengths)


def queries(seed: int, count: int) -> torch.Tensor:
    return torch.randn(count, HEADS, SIZE, generator=torch.Generator().manual_seed(seed + 1))


def prefix_sums(counts: list[int]) -> torch.Tensor:
    return torch.tensor([sum(counts[:number]) for number in range(len(counts) + 1)], dtype=torch.int32)


def page_table(pool: Pool) -> torch.Tensor:
    """The tables as rows of one tensor, the rest of a row filled with a page of somebody else's."""
    width = max(map(len, pool.tables), default=0) + 1
    return torch.tensor([[*table, *[0] * (width - len(table))] for table in pool.tables], dtype=torch.int32)

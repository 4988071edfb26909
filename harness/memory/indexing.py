"""Which torch operations index, what, and whether every index lies within its dimension."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from harness.memory.summary import summarize
from harness.memory.violations import Elements

Arguments = Sequence[Any]


@dataclass(frozen=True)
class Indexing:
    """One index tensor of an operation and the dimension of `target` it indexes.

    `extent` is the number of elements along that dimension (of the whole tensor for `take`);
    `wraps` says whether negative indices count from the end there. `lowest` and `highest` are the
    smallest and largest index, absent where there is none.
    """

    target: torch.Tensor
    dim: int
    index: torch.Tensor
    extent: int
    wraps: bool
    lowest: int | None = None
    highest: int | None = None

    @property
    def floor(self) -> int:
        return -self.extent if self.wraps else 0

    @property
    def in_range(self) -> bool:
        if self.lowest is None or self.highest is None:
            return True
        return self.lowest >= self.floor and self.highest < self.extent

    def violations(self) -> Elements:
        """The indices that lie outside, one for each entry of the index tensor that does."""
        index = self.index
        outside = index[(index < self.floor) | (index >= self.extent)]
        return outside.detach().cpu().to(torch.int64).numpy().ravel()

    def facts(self) -> dict[str, Any]:
        span = [] if self.lowest is None else [self.lowest, self.highest]
        return {"dim": self.dim, "extent": self.extent, "shape": list(self.index.shape), "span": span}


def indexing(target: torch.Tensor, dim: int, index: torch.Tensor, extent: int, wraps: bool) -> Indexing:
    if not index.numel():
        return Indexing(target, dim, index, extent, wraps)
    # One tensor of both, since each number that is taken from a device waits for it.
    lowest, highest = torch.stack(torch.aminmax(index)).tolist()
    return Indexing(target, dim, index, extent, wraps, lowest, highest)


Reader = Callable[[Arguments], Iterator[Indexing]]


def _along(target: torch.Tensor, dim: int, index: torch.Tensor, wraps: bool = False) -> Iterator[Indexing]:
    if target.dim():
        dim %= target.dim()
        yield indexing(target, dim, index, target.shape[dim], wraps)


def _by_dim(args: Arguments) -> Iterator[Indexing]:
    """op(self, dim, index, …): gather, scatter, index_select, index_copy, index_add, index_reduce."""
    yield from _along(args[0], args[1], args[2])


def _by_dim_wrapping(args: Arguments) -> Iterator[Indexing]:
    """index_fill and take_along_dim count negative indices from the end."""
    yield from _along(args[0], args[1], args[2], wraps=True)


def _advanced(args: Arguments) -> Iterator[Indexing]:
    """op(self, indices, …): x[i, j] and x[i, j] = v; torch itself refuses a mask of the wrong shape."""
    dim = 0
    for index in args[1]:
        if index is not None and index.dtype not in (torch.bool, torch.uint8):
            yield from _along(args[0], dim, index, wraps=True)
        dim += 1 if index is None or index.dtype not in (torch.bool, torch.uint8) else index.dim()


def _flat(args: Arguments) -> Iterator[Indexing]:
    """op(self, index, …): take and put count over all elements."""
    yield indexing(args[0], 0, args[1], args[0].numel(), wraps=True)


def _rows(args: Arguments) -> Iterator[Indexing]:
    """op(weight, indices, …): embedding and embedding_bag."""
    yield from _along(args[0], 0, args[1])


READERS: Mapping[str, Reader] = {
    "gather": _by_dim,
    "scatter": _by_dim,
    "scatter_add": _by_dim,
    "scatter_reduce": _by_dim,
    "index_select": _by_dim,
    "index_copy": _by_dim,
    "index_add": _by_dim,
    "index_reduce": _by_dim,
    "index_fill": _by_dim_wrapping,
    "take_along_dim": _by_dim_wrapping,
    "index": _advanced,
    "index_put": _advanced,
    "_unsafe_index": _advanced,
    "_unsafe_index_put": _advanced,
    "_index_put_impl": _advanced,
    "take": _flat,
    "put": _flat,
    "embedding": _rows,
    "embedding_renorm": _rows,
    "_embedding_bag": _rows,
    "_embedding_bag_forward_only": _rows,
}
"""By the operation's name in torch's `aten`, without the underscore of its in-place form."""


def event(
    name: str, buffer: str | None, found: Sequence[Indexing], args: Arguments, result: Any
) -> dict[str, Any]:
    """The operation as the trace keeps it; `name` ends in an underscore if it writes in place."""
    told: dict[str, Any] = {
        "event": "index",
        "op": name,
        "buffer": buffer,
        "dtype": str(args[0].dtype).removeprefix("torch."),
        "shape": list(args[0].shape),
        "indices": [one.facts() for one in found],
    }
    if name.endswith("_"):
        indices = {id(one.index) for one in found}
        written = [
            value for value in args[2:] if isinstance(value, torch.Tensor) and id(value) not in indices
        ]
        return told | {"wrote": [summarize(value) for value in written]} if found else told
    return told | ({"read": summarize(result)} if isinstance(result, torch.Tensor) else {})


def as_elements(positions: torch.Tensor) -> Elements:
    return np.asarray(positions.detach().cpu().to(torch.int64).numpy().ravel(), dtype=np.int64)

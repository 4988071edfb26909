"""Records and checks torch's indexing operations: every index against the dimension it indexes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness.memory.names import name_of
from harness.memory.strays import Strays, Where
from harness.memory.summary import summarize
from harness.observation import Fault


@dataclass(frozen=True)
class Indexing:
    """One index tensor of an operation and the dimension of `target` it indexes.

    `extent` is the number of elements along that dimension (of the whole tensor for `take`);
    `wraps` says whether negative indices count from the end there.
    """

    target: torch.Tensor
    dim: int
    index: torch.Tensor
    extent: int
    wraps: bool = True


Reader = Callable[[Sequence[Any], Mapping[str, Any]], Iterator[Indexing]]


def _along(target: torch.Tensor, dim: int, index: torch.Tensor, wraps: bool) -> Iterator[Indexing]:
    if target.dim():
        yield Indexing(target, dim % target.dim(), index, target.shape[dim], wraps)


def _by_dim(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Indexing]:
    """op(self, dim, index, …): gather, scatter, index_select, index_copy, index_add, index_fill."""
    yield from _along(args[0], args[1], args[2], wraps=False)


def _advanced(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Indexing]:
    """op(self, indices, …): x[i, j] and x[i, j] = v; a mask indexes nothing out of range."""
    for dim, index in enumerate(args[1]):
        if index is not None and index.dtype not in (torch.bool, torch.uint8):
            yield from _along(args[0], dim, index, wraps=True)


def _flat(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Indexing]:
    """op(self, index, …): take and put count over all elements."""
    yield Indexing(args[0], 0, args[1], args[0].numel())


def _embedding(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Indexing]:
    yield from _along(args[0], 0, args[1], wraps=False)


READERS: Mapping[str, Reader] = {
    "gather": _by_dim,
    "scatter": _by_dim,
    "scatter_": _by_dim,
    "scatter_add": _by_dim,
    "scatter_add_": _by_dim,
    "scatter_reduce": _by_dim,
    "scatter_reduce_": _by_dim,
    "index_select": _by_dim,
    "index_copy": _by_dim,
    "index_copy_": _by_dim,
    "index_add": _by_dim,
    "index_add_": _by_dim,
    "index_fill": _by_dim,
    "index_fill_": _by_dim,
    "index_reduce_": _by_dim,
    "index": _advanced,
    "index_put": _advanced,
    "index_put_": _advanced,
    "_unsafe_index": _advanced,
    "_unsafe_index_put": _advanced,
    "_index_put_impl_": _advanced,
    "take": _flat,
    "put_": _flat,
    "embedding": _embedding,
}


class IndexChecks(TorchDispatchMode):
    """Watches the indexing operations that code under `root` asks for."""

    def __init__(self, root: str, strays: Strays, events: list[dict[str, Any]]) -> None:
        super().__init__()
        self._root = root
        self._strays = strays
        self._events = events

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        reader = READERS.get(func.overloadpacket.__name__) if func.namespace == "aten" else None
        frame = self._caller() if reader else None
        if reader is None or frame is None:
            return func(*args, **(kwargs or {}))
        found = list(reader(args, kwargs or {}))
        name = func.overloadpacket.__name__
        buffer = name_of(args[0], frame)
        for indexing in found:
            self._check(indexing, name, buffer, frame)
        result = func(*args, **(kwargs or {}))
        self._events.append(self._event(name, buffer, found, args, result))
        return result

    def _caller(self) -> FrameType | None:
        """The frame that asked for the operation, if it is code under test."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and "/torch/" in frame.f_code.co_filename:
            frame = frame.f_back
        return frame if frame is not None and frame.f_code.co_filename.startswith(self._root) else None

    def _check(self, indexing: Indexing, operation: str, buffer: str | None, frame: FrameType) -> None:
        index = indexing.index
        lowest = -indexing.extent if indexing.wraps else 0
        outside = index[(index < lowest) | (index >= indexing.extent)]
        if outside.numel():
            where = Where(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
            fault = Fault(kind="index-range", buffer=buffer, kernel=operation, numel=indexing.extent)
            self._strays.access(fault, outside.detach().cpu().to(torch.int64).numpy().ravel(), where)

    def _event(self, name: str, buffer: str | None, found: list[Indexing], args: Sequence[Any], result: Any) -> dict[str, Any]:
        event: dict[str, Any] = {
            "event": "index",
            "op": name,
            "buffer": buffer,
            "dtype": str(args[0].dtype).removeprefix("torch."),
            "shape": list(args[0].shape),
            "indices": [_span(indexing) for indexing in found],
        }
        if name.endswith("_"):
            written = [value for value in args[2:] if isinstance(value, torch.Tensor) and value is not found[0].index]
            return event | {"wrote": [summarize(value) for value in written]} if found else event
        return event | ({"read": summarize(result)} if isinstance(result, torch.Tensor) else {})


def _span(indexing: Indexing) -> dict[str, Any]:
    index = indexing.index
    span = [int(index.min()), int(index.max())] if index.numel() else []
    return {"dim": indexing.dim, "extent": indexing.extent, "shape": list(index.shape), "span": span}

"""What the programs of the battery run on: a device's own graphs, the recorder, or no graphs at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.utils._pytree import tree_flatten

from harness.memory import graphs

Region = Callable[[], Any]


class Graph(Protocol):
    """A captured region."""

    def replay(self) -> None: ...
    def pool(self) -> Any: ...


class Machine(Protocol):
    """Captures regions for a program, whose tensors are to lie on `device`."""

    device: str
    backend: str
    """Of torch.distributed."""

    def captured(self, region: Region, pool: Any = None) -> tuple[Graph, Any]:
        """The graph of a region that was run once before, and what the region gave back."""
        ...


@dataclass
class Device:
    """A GPU under `torch.cuda.graph`."""

    device: str = "cuda"
    backend: str = "nccl"

    def captured(self, region: Region, pool: Any = None) -> tuple[Graph, Any]:
        torch.cuda.synchronize()
        with torch.cuda.stream(torch.cuda.Stream()):
            region()  # so that kernels are compiled and libraries set up
        torch.cuda.synchronize()
        made = torch.cuda.CUDAGraph()
        # NCCL has a thread that looks at its events meanwhile
        with torch.cuda.graph(made, pool=pool, capture_error_mode="thread_local"):
            result = region()
        return made, result


@dataclass
class Emulated:
    """The recorder on the CPU."""

    device: str = "cpu"
    backend: str = "gloo"

    def captured(self, region: Region, pool: Any = None) -> tuple[Graph, Any]:
        region()
        made = graphs.CUDAGraph()
        with graphs.graph(made, pool=pool):
            result = region()
        return made, result


class _Again:
    """Runs a region's Python at every replay, into the results of the first run."""

    def __init__(self, region: Region, result: Any) -> None:
        self._region, self._result = region, result

    def replay(self) -> None:
        for old, new in zip(tree_flatten(self._result)[0], tree_flatten(self._region())[0], strict=True):
            if isinstance(old, torch.Tensor) and old is not new:
                old.copy_(new)

    def pool(self) -> Any:
        return None


@dataclass
class Eager:
    """No graph: what a correct program has to agree with, replay for replay."""

    device: str = "cpu"
    backend: str = "gloo"

    def captured(self, region: Region, pool: Any = None) -> tuple[Graph, Any]:
        region()
        kept = [(tensor, tensor.clone()) for tensor in _reached(region)]
        result = region()
        for tensor, before in kept:  # a capture leaves them alone
            tensor.copy_(before)
        return _Again(region, result), result


def _reached(region: Region) -> list[torch.Tensor]:
    """The tensors that a region's closure holds, directly or by an object's attributes."""
    cells = [cell.cell_contents for cell in getattr(region, "__closure__", None) or ()]
    held = [value for cell in cells for value in getattr(cell, "__dict__", {}).values()]
    return [value for value in (*cells, *held) if isinstance(value, torch.Tensor)]

"""Upstream's csgmv back end for LoRA, with a few adapters of small whole numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.facts import KernelLab

LAYERS = ("linear", "qkv", "embedding")
ADAPTERS = 3
"""The first stands for requests without an adapter: its rank is 0."""
_CHUNK = 16
"""The most tokens that upstream gives a segment of a decode step."""
_INPUT, _RANK = 32, 16
_SCALINGS = [0.0, 1.0, 2.0]
_OFFSETS = {"linear": [0, 32], "qkv": [0, 32, 48, 64]}
"""Where the slices of a layer's output begin, and the last one's end."""


@dataclass(frozen=True)
class Captured:
    """A decode step in a graph, and the tensor that each replay leaves its result in."""

    graph: Any
    out: Any


@dataclass(frozen=True)
class Rig:
    """A back end and one layer's adapters; `rows` are the inputs of a step, one for each request.

    `offsets` are those of the slices in the host's memory, where upstream has them as well.
    """

    lab: KernelLab
    layer: str
    backend: Any
    rows: Any
    weights: tuple[Any, ...]
    offsets: Any

    def step(self, adapters: Sequence[int]) -> Any:
        """The layer's part of an eager decode step."""
        with self.lab.observe("step"):
            self._prepare(adapters, use_cuda_graph=False)
            return self._forward()

    def captured(self) -> Captured:
        """A step as upstream captures it: no request has an adapter."""
        import torch

        requests = len(self.rows)
        _graph_buffers(self.backend)(requests, 1)
        self._prepare([0] * requests, use_cuda_graph=True)
        self._forward()  # a device compiles kernels here
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = self._forward()
        return Captured(graph, out)

    def replayed(self, captured: Captured, adapters: Sequence[int]) -> Any:
        """The result of a replay for requests with these adapters."""
        self._prepare(adapters, use_cuda_graph=True)
        captured.graph.replay()
        return captured.out

    def _prepare(self, adapters: Sequence[int], *, use_cuda_graph: bool) -> None:
        from sglang.srt.model_executor.forward_batch_info import ForwardMode

        batch = self.lab.stand_in("batch", batch_size=len(adapters), forward_mode=ForwardMode.DECODE)
        ranks = [0, *[_RANK] * (ADAPTERS - 1)]
        self.backend.prepare_lora_batch(
            forward_batch=batch, weight_indices=list(adapters), lora_ranks=ranks, scalings=_SCALINGS,
            use_cuda_graph=use_cuda_graph,
        )  # fmt: skip

    def _forward(self) -> Any:
        if self.layer == "embedding":
            made = self.backend.run_lora_a_embedding(self.rows, *self.weights, vocab_size=_INPUT)
            return self.rows.new_empty(0) if made is None else made  # 0.5.9 leaves embeddings out
        shrinking, expanding, offsets = self.weights
        on_host = {"output_offset_cpu": self.offsets}
        widest = max(end - start for start, end in itertools.pairwise(_OFFSETS[self.layer]))
        if self.layer == "qkv":
            return self.backend.run_qkv_lora(self.rows, shrinking, expanding, offsets, widest, **on_host)
        shrunk = self.backend.run_lora_a_sgemm(self.rows, shrinking)
        return self.backend.run_lora_b_sgemm(shrunk, expanding, offsets, **on_host)


def _graph_buffers(backend: Any) -> Any:
    """What makes the buffers of captured batches, by its two names."""
    later = "init_decode_cuda_graph_batch_info"  # from 0.5.23 on
    return getattr(backend, later if hasattr(backend, later) else "init_cuda_graph_batch_info")


@contextmanager
def rig(lab: KernelLab, layer: str, *, requests: int) -> Iterator[Rig]:
    """A back end whose adapters' weights, and whose inputs, are small whole numbers in float32."""
    import torch
    from sglang.srt.lora.backend.chunked_backend import ChunkedSgmvLoRABackend

    with lab.configuration(max_lora_chunk_size=_CHUNK) as args:
        known = args or lab.stand_in("server_args", max_lora_chunk_size=_CHUNK)
        backend = ChunkedSgmvLoRABackend(ADAPTERS, torch.device(lab.device), known)
        weights = tuple(lab.given(name, made) for name, made in _weights(layer).items())
        rows = lab.given("rows", _rows(layer, requests))
        offsets = torch.tensor(_OFFSETS.get(layer, []), dtype=torch.int32, pin_memory=True)
        yield Rig(lab, layer, backend, rows, weights, offsets)


def _rows(layer: str, requests: int) -> Any:
    import torch

    tokens = torch.arange(requests)
    if layer == "embedding":
        return tokens * 3 % _INPUT
    return ((tokens[:, None] + torch.arange(_INPUT)) % 3).float()


def _weights(layer: str) -> dict[str, Any]:
    import torch

    if layer == "embedding":
        return {"table": _numbers(ADAPTERS, _RANK, _INPUT)}
    offsets = _OFFSETS[layer]
    slices = len(offsets) - 1
    return {
        "shrinking": _numbers(ADAPTERS, slices * _RANK, _INPUT),
        "expanding": _numbers(ADAPTERS, offsets[-1], _RANK),
        "offsets": torch.tensor(offsets, dtype=torch.int32),
    }


def _numbers(*shape: int) -> Any:
    """Numbers from -2 to 2, in which no two adapters are alike."""
    import torch

    count = torch.Size(shape).numel()
    return (torch.arange(count) * 7 % 11 % 5 - 2).float().reshape(shape)


def all_adapters(requests: int) -> tuple[int, ...]:
    """A batch in which every adapter is used, and as many as possible have a segment of their own."""
    return tuple(number % ADAPTERS for number in range(requests))


def segments(adapters: Sequence[int]) -> list[int]:
    """The adapter of each segment: tokens sorted by adapter, in chunks."""
    counts = {one: adapters.count(one) for one in sorted(set(adapters))}
    return [one for one, count in counts.items() for _ in range(-(-count // _CHUNK))]


def expected(layer: str, adapters: Sequence[int]) -> Any:
    """Each row by its own adapter; zeros where there is none."""
    import torch

    rows, weights = _rows(layer, len(adapters)), _weights(layer)
    made = [_row(layer, row, weights, one) for row, one in zip(rows, adapters, strict=True)]
    return torch.stack(made).double()


def _row(layer: str, row: Any, weights: dict[str, Any], adapter: int) -> Any:
    import torch

    used = float(adapter > 0)
    if layer == "embedding":
        return weights["table"][adapter][:, row] * used
    shrunk = (weights["shrinking"][adapter] @ row).reshape(-1, _RANK)
    ends = itertools.pairwise(_OFFSETS[layer])
    slices = [
        weights["expanding"][adapter][start:end] @ part
        for part, (start, end) in zip(shrunk, ends, strict=True)
    ]
    return torch.cat(slices) * _SCALINGS[adapter]

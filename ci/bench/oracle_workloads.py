"""Calls of upstream's kernels to measure the memory oracle on, with more work than a reproducer's."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

NEW, OLD = "sglang.kernels.ops", "sglang.srt"
"""Where upstream keeps its kernels, and where it kept them before 0.5.20 or so."""
KV_INDICES = (f"{NEW}.attention.kv_indices", f"{OLD}.layers.attention.triton_ops.kv_indices")
EXTEND = (f"{NEW}.attention.extend_attention", f"{OLD}.layers.attention.triton_ops.extend_attention")
DECODE = (f"{NEW}.attention.decode_attention", f"{OLD}.layers.attention.triton_ops.decode_attention")
MOVES = (f"{NEW}.kvcache.cache_move", f"{OLD}.mem_cache.triton_ops.cache_move")
POSITIONS = (f"{NEW}.attention.position", f"{OLD}.model_executor.triton_ops.position")
LOCATIONS = (f"{NEW}.memory.common", f"{OLD}.mem_cache.triton_ops.common")

REQUESTS, CONTEXT = 4, 512
HEADS, KV_HEADS, HEAD_DIM = 4, 1, 64
SPLITS = 4


@dataclass(frozen=True)
class Workload:
    """One call of upstream code; `kernels` of `module` do the work."""

    module: str
    kernels: tuple[str, ...]
    call: Callable[[], object]

    @property
    def name(self) -> str:
        return " + ".join(self.kernels)


def workloads() -> list[Workload]:
    """The kernels that reproducers spend most time in, and one without a loop, for comparison."""
    torch.manual_seed(0)
    return [_fill_indices(), _extend(), _decode(), _move_cache(), _last_locations()]


def of_programs(programs: int) -> list[Workload]:
    """Six kernels, each in one launch of so many programs; those of the last have nothing in common."""
    torch.manual_seed(0)
    return [
        _fill_indices(programs, 1024), _extend(programs, 64), _decode(programs), _move_cache(programs, 512),
        _last_locations(256 * programs), _positions(programs),
    ]  # fmt: skip


def _first(modules: tuple[str, ...]) -> ModuleType:
    """The module of the newest place that this release has."""
    *newer, last = modules
    for module in newer:
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if not module.startswith(str(error.name)):  # it is there, and lacks something itself
                raise
    return importlib.import_module(last)


def _fill_indices(requests: int = 64, context: int = 8192) -> Workload:
    """64 requests of some 8000 tokens: what pr24587 replays, at the size of a real batch."""
    kernel = "create_flashinfer_kv_indices_triton"
    module = _first(KV_INDICES)
    table = torch.arange(requests * context, dtype=torch.int32).reshape(requests, context)
    lengths = torch.full((requests,), context - 3, dtype=torch.int64)
    starts = torch.zeros(requests + 1, dtype=torch.int32)
    starts[1:] = torch.cumsum(lengths, 0)
    indices = torch.zeros(int(starts[-1]), dtype=torch.int32)
    rows = torch.arange(requests, dtype=torch.int64)

    def call() -> None:
        getattr(module, kernel)[(requests,)](table, rows, lengths, starts, None, indices, table.stride(0))

    return Workload(module.__name__, (kernel,), call)


def _cache(requests: int) -> Mapping[str, Any]:
    """Keys and values of some sequences, one slot a token, shuffled as in a used pool."""
    slots = requests * CONTEXT
    return {
        "k_buffer": torch.randn(slots, KV_HEADS, HEAD_DIM),
        "v_buffer": torch.randn(slots, KV_HEADS, HEAD_DIM),
        "kv_indptr": torch.arange(0, slots + 1, CONTEXT, dtype=torch.int32),
        "kv_indices": torch.randperm(slots),
    }


def _extend(programs: int = 32, new: int = 128) -> Workload:
    """Deterministic mode's attention, as in pr24394: 128 new tokens behind a prefix of 384.

    A program has 64 new tokens of a request and a head.
    """
    module = _first(EXTEND)
    blocks = new // 64
    heads = min(HEADS, programs // blocks)
    requests = programs // blocks // heads
    cache, q = _cache(requests), torch.randn(requests * new, heads, HEAD_DIM)
    facts = dict(
        q=q,
        o=torch.zeros_like(q),
        k_scale=1.0,
        v_scale=1.0,
        qo_indptr=torch.arange(0, requests * new + 1, new, dtype=torch.int32),
        prefix_lens=torch.full((requests,), CONTEXT - new, dtype=torch.int32),
        max_len_extend=new,
    )

    def call() -> None:
        module.extend_attention_fwd_unified(**facts, **cache)

    return Workload(module.__name__, ("_fwd_kernel_unified",), call)


def _decode(programs: int = 16) -> Workload:
    """Decode attention; a program of its first kernel has a split of a request."""
    module = _first(DECODE)
    splits = min(SPLITS, programs)
    requests = programs // splits
    cache, q = _cache(requests), torch.randn(requests, HEADS, HEAD_DIM)
    facts = dict(
        q=q,
        o=torch.zeros_like(q),
        attn_logits=torch.zeros(requests, HEADS, splits, HEAD_DIM),
        attn_lse=torch.zeros(requests, HEADS, splits),
        num_kv_splits=torch.full((requests,), splits, dtype=torch.int32),
        max_kv_splits=splits,
        sm_scale=HEAD_DIM**-0.5,
        k_scale=1.0,
        v_scale=1.0,
    )

    def call() -> None:
        module.decode_attention_fwd(**facts, **cache)

    return Workload(module.__name__, ("_fwd_grouped_kernel_stage1", "_fwd_kernel_stage2"), call)


def _move_cache(programs: int = 32, slots: int = REQUESTS * CONTEXT) -> Workload:
    """Rows of a whole cache behind a table of addresses, as #26866 moves them, of 8 layers.

    A program has half of the rows' bytes in a buffer.
    """
    module = _first(MOVES)
    kernel, tile, moved = "copy_all_layer_kv_cache_tiled", 128, 16
    wide = 1 if programs == 1 else 2
    buffers = [torch.randn(slots, KV_HEADS, HEAD_DIM * wide // 2) for _ in range(programs // wide)]
    row = buffers[0][0].nbytes
    addresses = torch.tensor([buffer.data_ptr() for buffer in buffers], dtype=torch.uint64)
    strides = torch.tensor([row] * len(buffers))
    source, target = torch.arange(moved), torch.arange(moved, 2 * moved)

    def call() -> None:
        grid = (len(buffers), row // tile)
        getattr(module, kernel)[grid](
            addresses, strides, target, source, moved, num_locs_upper=moved, BYTES_PER_TILE=tile
        )

    return Workload(module.__name__, (kernel,), call)


def _last_locations(tokens: int = 1 << 14) -> Workload:
    """The kernel of pr23596, for 16384 tokens; a program has 256."""
    module = _first(LOCATIONS)
    requests, context = 64, 1024
    table = torch.arange(requests * context, dtype=torch.int32).reshape(requests, context)
    rows = torch.arange(tokens, dtype=torch.int64) % requests
    prefixes = torch.arange(tokens, dtype=torch.int64) % (context + 1)

    def call() -> None:
        module.get_last_loc_triton(table, rows, prefixes)

    return Workload(module.__name__, ("get_last_loc_kernel",), call)


def _positions(requests: int) -> Workload:
    """Every program adds up the lengths of all requests before its own."""
    module = _first(POSITIONS)
    lengths = torch.full((requests,), 600, dtype=torch.int32)
    prefixes = torch.arange(requests, dtype=torch.int32)

    def call() -> None:
        module.compute_position_triton(prefixes, lengths, 600 * requests)

    return Workload(module.__name__, ("compute_position_kernel",), call)

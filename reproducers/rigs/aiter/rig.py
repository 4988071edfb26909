"""Upstream's aiter attention backend with real pools, driven as its CUDA-graph runner drives it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.facts import KernelLab
from reproducers.rigs import paging, pools
from reproducers.rigs.aiter import batch as aiter_batch
from reproducers.rigs.pools import Pools

MODULE = "sglang.srt.layers.attention.aiter_backend"
ATTENTION = ("mha", "mla", "unified")
AHEAD = pools.AHEAD
MODES = ("decode", "draft_extend", "target_verify")

DRAFT_TOKENS = 4
NUM_STEPS = 3
_HEADS = {"mha": 1, "mla": 16, "unified": 1}  # the MLA kernels take multiples of 16 heads
_HEAD_DIM = 8
_LORA_RANK, _ROPE_DIM = 8, 8
_EXTRA_CONTEXT = 4  # upstream's rows are this much longer than the context


@dataclass(frozen=True)
class Rig:
    """A backend in one forward mode, with the pools it was made from."""

    lab: KernelLab
    backend: Any
    req_to_token: Any
    allocator: Any
    mode: str
    context_len: int

    @property
    def draft_tokens(self) -> int:
        return 0 if self.mode == "decode" else DRAFT_TOKENS

    @property
    def tokens_per_request(self) -> int:
        """Query tokens of one request in a forward pass of this mode."""
        return self.draft_tokens or 1


@contextmanager
def rig(
    lab: KernelLab, *, pool_size: int, context_len: int, page_size: int, mode: str, attention: str
) -> Iterator[Rig]:
    """The backend for a model with `context_len` tokens and room for `pool_size` requests."""
    draft_tokens = 0 if mode == "decode" else DRAFT_TOKENS
    facts: dict[str, Any] = dict(
        context_len=context_len, page_size=page_size, attention=attention, draft_tokens=draft_tokens
    )
    with runner(lab, pool_size=pool_size, room=context_len, **facts) as (model_runner, allocator):
        with lab.observe("construct"):
            backend = _module().AiterAttnBackend(model_runner)
        yield Rig(lab, backend, model_runner.req_to_token_pool, allocator, mode, context_len)


@contextmanager
def runner(
    lab: KernelLab,
    *,
    pool_size: int,
    context_len: int,
    page_size: int,
    attention: str,
    draft_tokens: int,
    room: int,
) -> Iterator[tuple[Any, Any]]:
    """A model runner that answers what the backend asks, and the allocator of its KV pool.

    Each row of the page table has room for `room` tokens, and for the few that upstream adds.
    """
    lab.single_rank()
    unified = "1" if attention == "unified" else "0"
    facts = _server_facts(page_size, draft_tokens)
    with lab.environment(SGLANG_USE_AITER_UNIFIED_ATTN=unified), lab.configuration(**facts):
        row_len = room + _EXTRA_CONTEXT + draft_tokens
        cache = (
            pools.mla(_LORA_RANK, _ROPE_DIM)
            if attention == "mla"
            else pools.mha(_HEADS[attention], _HEAD_DIM)
        )
        made = pools.paged(rows=pool_size, row_len=row_len, page_size=page_size, cache=cache)
        yield _model_runner(lab, made, context_len, attention, facts), made.allocator


def _module() -> Any:
    return importlib.import_module(MODULE)


def _server_facts(page_size: int, draft_tokens: int) -> dict[str, Any]:
    return dict(
        page_size=page_size,
        speculative_num_draft_tokens=draft_tokens or None,
        speculative_num_steps=NUM_STEPS if draft_tokens else None,
    )


def _cache(attention: str) -> pools.Cache:
    if attention == "mla":
        return pools.mla(_LORA_RANK, _ROPE_DIM)
    return pools.mha(_HEADS[attention], _HEAD_DIM)


def _model_runner(
    lab: KernelLab, made: Pools, context_len: int, attention: str, facts: Mapping[str, Any]
) -> Any:
    import torch

    return lab.stand_in(
        "model_runner",
        model_config=_model_config(lab, context_len, attention),
        server_args=lab.stand_in("server_args", **facts),
        device=made.device,
        dtype=torch.float32,
        kv_cache_dtype=torch.float32,
        sliding_window_size=None,
        decode_attention_backend_str="aiter",
        **made.facts(),
    )


def _model_config(lab: KernelLab, context_len: int, attention: str) -> Any:
    import torch
    from sglang.srt.configs.model_config import AttentionArch

    return lab.stand_in(
        "model_config",
        dtype=torch.float32,
        is_multimodal=False,
        num_attention_heads=_HEADS[attention],
        head_dim=_LORA_RANK + _ROPE_DIM if attention == "mla" else _HEAD_DIM,
        v_head_dim=_LORA_RANK if attention == "mla" else _HEAD_DIM,
        get_num_kv_heads=lambda tp_size: 1,
        attention_arch=AttentionArch.MLA if attention == "mla" else AttentionArch.MHA,
        context_len=context_len,
    )


# --- driving it ----------------------------------------------------------------------------


def init_graph_state(rig: Rig, max_bs: int) -> None:
    """What the graph runner does first: size every static buffer for `max_bs` requests."""
    with rig.lab.observe("init_cuda_graph_state"):
        rig.backend.init_cuda_graph_state(max_bs, max_bs * rig.tokens_per_request)


def capture(rig: Rig, bs: int, max_bs: int) -> None:
    """Metadata for capturing a graph of `bs` dummy requests, each of the backend's fill length."""
    with rig.lab.observe("capture"):
        _set_metadata(rig, [0] * bs, [_fill(rig)] * bs, max_bs, in_capture=True)


def replay(rig: Rig, rows: Sequence[int], seq_lens: Sequence[int], bs: int, max_bs: int) -> None:
    """Metadata for replaying the graph of `bs` requests; missing ones are padded with the fill."""
    padding = bs - len(rows)
    with rig.lab.observe("replay"):
        indices = [*rows, *[0] * padding]
        _set_metadata(rig, indices, [*seq_lens, *[_fill(rig)] * padding], max_bs, in_capture=False)


def admit(rig: Rig, seq_lens: Sequence[int]) -> list[int]:
    """Give each request a row and the slots that upstream's allocator hands out for it and its draft."""
    return seat(rig.req_to_token, rig.allocator, [length + rig.draft_tokens for length in seq_lens])


def seat(req_to_token: Any, allocator: Any, tokens: Sequence[int]) -> list[int]:
    """Rows of the page table with so many tokens each, in whole pages; returns the rows."""
    rows = [req_to_token.free_slots.pop(0) for _ in tokens]
    for row, total in zip(rows, tokens, strict=True):
        slots = allocator.alloc(paging.whole(total, allocator.page_size))
        req_to_token.write((row, slice(0, total)), slots[:total].to(req_to_token.req_to_token.dtype))
    return rows


def _fill(rig: Rig) -> int:
    return int(rig.backend.get_cuda_graph_seq_len_fill_value())


def _set_metadata(
    rig: Rig, rows: Sequence[int], seq_lens: Sequence[int], max_bs: int, *, in_capture: bool
) -> None:
    spec_info = _verify_input(rig, max_bs) if rig.mode == "target_verify" else None
    batch = aiter_batch.batch(rig.mode, rows, seq_lens, rig.tokens_per_request, spec_info)
    aiter_batch.plan(rig.backend, batch, in_capture=in_capture)


def _verify_input(rig: Rig, max_bs: int) -> Any:
    """The verify input with a mask of the graph runner's size: fill and draft tokens per request."""
    size = max_bs * (_fill(rig) + DRAFT_TOKENS) * DRAFT_TOKENS
    return aiter_batch.verify_input(mask_size=size, draft_tokens=DRAFT_TOKENS, num_steps=NUM_STEPS)

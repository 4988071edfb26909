"""Upstream's aiter attention backend with real pools, driven as its CUDA-graph runner drives it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

MODULE = "sglang.srt.layers.attention.aiter_backend"
ATTENTION = ("mha", "mla", "unified")
MODES = ("decode", "draft_extend", "target_verify")

DRAFT_TOKENS = 4
NUM_STEPS = 3
_HEADS = {"mha": 1, "mla": 16, "unified": 1}  # the MLA kernels take multiples of 16 heads
_HEAD_DIM = 8
_LORA_RANK, _ROPE_DIM = 8, 8
_FORWARD_MODE = {"decode": "DECODE", "draft_extend": "DRAFT_EXTEND_V2", "target_verify": "TARGET_VERIFY"}
_EXTRA_CONTEXT = 4  # upstream's rows are this much longer than the context


@dataclass(frozen=True)
class Rig:
    """A backend in one forward mode, with the pools it was made from."""

    lab: Any
    backend: Any
    req_to_token: Any
    allocator: Any
    mode: str

    @property
    def draft_tokens(self) -> int:
        return 0 if self.mode == "decode" else DRAFT_TOKENS

    @property
    def tokens_per_request(self) -> int:
        """Query tokens of one request in a forward pass of this mode."""
        return self.draft_tokens or 1


@contextmanager
def rig(lab: Any, *, pool_size: int, context_len: int, page_size: int, mode: str, attention: str) -> Iterator[Rig]:
    """The backend for a model with `context_len` tokens and room for `pool_size` requests."""
    lab.single_rank()
    unified = "1" if attention == "unified" else "0"
    with lab.environment(SGLANG_USE_AITER_UNIFIED_ATTN=unified):
        draft_tokens = 0 if mode == "decode" else DRAFT_TOKENS
        rows, cache, allocator = _pools(pool_size, context_len, page_size, attention, draft_tokens)
        runner = _model_runner(lab, rows, cache, context_len, page_size, attention, draft_tokens)
        with lab.observe("construct"):
            backend = _backend(runner)
        yield Rig(lab, backend, rows, allocator, mode)


def _backend(runner: Any) -> Any:
    from sglang.srt.layers.attention.aiter_backend import AiterAttnBackend

    return AiterAttnBackend(runner)


def _pools(pool_size: int, context_len: int, page_size: int, attention: str, draft_tokens: int) -> tuple[Any, Any, Any]:
    import torch
    from sglang.srt.mem_cache import memory_pool
    from sglang.srt.mem_cache.allocator import PagedTokenToKVPoolAllocator, TokenToKVPoolAllocator

    row_len = context_len + _EXTRA_CONTEXT + draft_tokens
    rows = memory_pool.ReqToTokenPool(
        size=pool_size, max_context_len=row_len, device="cpu", enable_memory_saver=False
    )
    tokens = pool_size * -(-row_len // page_size) * page_size
    common = dict(page_size=page_size, dtype=torch.float32, layer_num=1, device="cpu", enable_memory_saver=False)
    cache = (
        memory_pool.MLATokenToKVPool(tokens, kv_lora_rank=_LORA_RANK, qk_rope_head_dim=_ROPE_DIM, **common)
        if attention == "mla"
        else memory_pool.MHATokenToKVPool(tokens, head_num=_HEADS[attention], head_dim=_HEAD_DIM, **common)
    )
    if page_size == 1:
        allocator = TokenToKVPoolAllocator(tokens, torch.float32, "cpu", cache, need_sort=False)
    else:
        allocator = PagedTokenToKVPoolAllocator(tokens, page_size, torch.float32, "cpu", cache, need_sort=False)
    return rows, cache, allocator


def _model_runner(
    lab: Any, rows: Any, cache: Any, context_len: int, page_size: int, attention: str, draft_tokens: int
) -> Any:
    import torch
    from sglang.srt.configs.model_config import AttentionArch

    model_config = lab.stand_in(
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
    server_args = lab.stand_in(
        "server_args",
        page_size=page_size,
        speculative_num_draft_tokens=draft_tokens or None,
        speculative_num_steps=NUM_STEPS if draft_tokens else None,
    )
    return lab.stand_in(
        "model_runner",
        model_config=model_config,
        server_args=server_args,
        device="cpu",
        dtype=torch.float32,
        kv_cache_dtype=torch.float32,
        sliding_window_size=None,
        req_to_token_pool=rows,
        token_to_kv_pool=cache,
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
    """Give each request a row and the slots that upstream's allocator hands out for it."""
    rows = [rig.req_to_token.free_slots.pop(0) for _ in seq_lens]
    for row, length in zip(rows, seq_lens, strict=True):
        total = length + rig.draft_tokens
        page = rig.allocator.page_size
        slots = rig.allocator.alloc(-(-total // page) * page)
        rig.req_to_token.write((row, slice(0, total)), slots[:total].to(rig.req_to_token.req_to_token.dtype))
    return rows


def _fill(rig: Rig) -> int:
    return int(rig.backend.get_cuda_graph_seq_len_fill_value())


def _set_metadata(rig: Rig, rows: Sequence[int], seq_lens: Sequence[int], max_bs: int, *, in_capture: bool) -> None:
    import torch
    from sglang.srt.model_executor.forward_batch_info import ForwardBatch, ForwardMode

    bs = len(rows)
    lengths = torch.tensor(seq_lens, dtype=torch.int64)
    batch = ForwardBatch(
        forward_mode=getattr(ForwardMode, _FORWARD_MODE[rig.mode]),
        batch_size=bs,
        input_ids=torch.zeros(bs * rig.tokens_per_request, dtype=torch.int64),
        req_pool_indices=torch.tensor(rows, dtype=torch.int64),
        seq_lens=lengths,
        out_cache_loc=torch.zeros(bs * rig.tokens_per_request, dtype=torch.int64),
        seq_lens_sum=int(lengths.sum()),
    )
    batch.seq_lens_cpu = lengths.clone()
    batch.spec_info = _spec_info(rig, max_bs) if rig.mode == "target_verify" else None
    rig.backend.init_forward_metadata_out_graph(batch, in_capture=in_capture)


def _spec_info(rig: Rig, max_bs: int) -> Any:
    """The verify input with a mask of the graph runner's size: fill and draft tokens per request."""
    import torch
    from sglang.srt.model_executor.forward_batch_info import CaptureHiddenMode
    from sglang.srt.speculative.eagle_info import EagleVerifyInput

    mask = torch.ones(max_bs * (_fill(rig) + DRAFT_TOKENS) * DRAFT_TOKENS, dtype=torch.bool)
    absent = dict.fromkeys(
        ("draft_token", "positions", "retrieve_index", "retrieve_next_token", "retrieve_next_sibling",
         "retrieve_cum_len", "seq_lens_sum", "seq_lens_cpu")
    )  # fmt: skip
    return EagleVerifyInput(
        custom_mask=mask,
        spec_steps=NUM_STEPS,
        topk=1,
        draft_token_num=DRAFT_TOKENS,
        capture_hidden_mode=CaptureHiddenMode.FULL,
        **absent,
    )

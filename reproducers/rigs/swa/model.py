"""What upstream's Triton backend asks of a hybrid sliding-window model: pools, layers, model runner."""

from __future__ import annotations

import inspect
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from harness.facts import KernelLab
from reproducers.rigs.pools import Pools

BACKEND = "sglang.srt.layers.attention.triton_backend"
POOL = "sglang.srt.mem_cache.swa_memory_pool"
LAYERS = {"sliding_window": 0, "full": 1}
"""Layer ids by kind: one layer of each, as in a hybrid model."""
DTYPES = ("float32", "float16")
"""What the interpreter can multiply: it takes bfloat16 in `tl.dot` for integers."""

Q_HEADS, KV_HEADS, HEAD_DIM = 2, 1, 16
SCALING = HEAD_DIM**-0.5
_ROWS = 2  # one request runs at a time


@dataclass(frozen=True)
class Sizes:
    """Both pools in tokens, the window in tokens before the query's own, and the longest request."""

    full_tokens: int
    swa_tokens: int
    page_size: int
    window: int
    context_len: int
    dtype: str

    @property
    def torch_dtype(self) -> Any:
        import torch

        return getattr(torch, self.dtype)


def pools(sizes: Sizes, device: str) -> Pools:
    """The page table, and a KV pool for each kind of layer."""
    from sglang.srt.mem_cache.memory_pool import ReqToTokenPool
    from sglang.srt.mem_cache.swa_memory_pool import SWAKVPool

    rows = ReqToTokenPool(_ROWS, sizes.context_len, device=device, enable_memory_saver=False)
    # A switch for NPUs that releases up to 0.5.13 ask for, and later ones no longer take.
    transposed = {"enable_kvcache_transpose": False} if _takes(SWAKVPool, "enable_kvcache_transpose") else {}
    cache = SWAKVPool(
        size=sizes.full_tokens,
        size_swa=sizes.swa_tokens,
        page_size=sizes.page_size,
        dtype=sizes.torch_dtype,
        head_num=KV_HEADS,
        head_dim=HEAD_DIM,
        swa_attention_layer_ids=[LAYERS["sliding_window"]],
        full_attention_layer_ids=[LAYERS["full"]],
        device=device,
        **transposed,
    )
    return Pools(rows, cache, _slot_allocator(sizes, cache, device), device)


def _slot_allocator(sizes: Sizes, cache: Any, device: str) -> Any:
    """What hands out a slot of each pool per token, and keeps the mapping between the two."""
    try:
        from sglang.srt.mem_cache.allocator.swa import SWATokenToKVPoolAllocator
    except ImportError:  # up to 0.5.12.post1 it lives beside the pool
        from sglang.srt.mem_cache.swa_memory_pool import SWATokenToKVPoolAllocator
    return SWATokenToKVPoolAllocator(
        sizes.full_tokens,
        sizes.swa_tokens,
        page_size=sizes.page_size,
        dtype=sizes.torch_dtype,
        device=device,
        kvcache=cache,
        need_sort=False,
    )


def _takes(function: Any, parameter: str) -> bool:
    return parameter in inspect.signature(function).parameters


def model_runner(lab: KernelLab, sizes: Sizes, made: Pools) -> Any:
    """A model runner that knows what the backend asks of it, over real pools."""
    return lab.stand_in(
        "model_runner",
        model_config=_model_config(lab, sizes),
        server_args=lab.stand_in(
            "server_args", disable_cuda_graph=True, enable_lean_attention=False, **server_facts(sizes)
        ),
        device=lab.device,
        gpu_id=0,
        dtype=sizes.torch_dtype,
        kv_cache_dtype=sizes.torch_dtype,
        page_size=sizes.page_size,
        dcp_size=1,
        dcp_rank=0,
        sliding_window_size=sizes.window,
        hybrid_gdn_config=None,
        kimi_linear_config=None,
        linear_attn_model_spec=None,
        decode_num_tokens_per_req=lambda: 1,
        is_draft_worker=False,
        **made.facts(),
    )


def _model_config(lab: KernelLab, sizes: Sizes) -> Any:
    from sglang.srt.configs.model_config import AttentionArch
    from transformers import PretrainedConfig

    return lab.stand_in(
        "model_config",
        dtype=sizes.torch_dtype,
        num_attention_heads=Q_HEADS,
        get_max_num_attention_heads=lambda: Q_HEADS,
        get_num_kv_heads=lambda *sizes: KV_HEADS,
        head_dim=HEAD_DIM,
        v_head_dim=HEAD_DIM,
        swa_v_head_dim=HEAD_DIM,
        attention_arch=AttentionArch.MHA,
        context_len=sizes.context_len,
        is_encoder_decoder=False,
        is_draft_model=False,
        hf_config=PretrainedConfig(),  # of no architecture in particular, so of no linear attention
        linear_attn_registry_result=None,
    )


def server_facts(sizes: Sizes) -> dict[str, Any]:
    """The server arguments that the backend reads: deterministic mode, no speculation."""
    return dict(
        enable_deterministic_inference=True,
        page_size=sizes.page_size,
        chunked_prefill_size=sizes.context_len,
        speculative_num_draft_tokens=None,
        speculative_num_steps=None,
        speculative_eagle_topk=None,
        triton_attention_num_kv_splits=8,
        triton_attention_split_tile_size=None,
    )


def layers(window: int) -> dict[str, Any]:
    """Upstream's attention layers by kind."""
    from sglang.srt.layers.radix_attention import RadixAttention

    windows = {"sliding_window": window, "full": -1}
    return {
        kind: RadixAttention(
            Q_HEADS, HEAD_DIM, SCALING, KV_HEADS, layer_id=layer_id, sliding_window_size=windows[kind]
        )
        for kind, layer_id in LAYERS.items()
    }


def forwarding(backend: Any) -> AbstractContextManager[Any]:
    """What tells an attention layer its backend: a context from 0.5.13 on, before that the batch itself."""
    try:
        from sglang.srt.model_executor.forward_context import ForwardContext, forward_context
    except ImportError:
        return nullcontext()
    active: AbstractContextManager[Any] = forward_context(ForwardContext(attn_backend=backend))
    return active

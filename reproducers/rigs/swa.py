"""Upstream's Triton backend over a hybrid sliding-window pool, fed chunk by chunk as a scheduler does."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from harness.errors import BadInput

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


@dataclass(frozen=True)
class Rig:
    """A deterministic backend, its pools and its layers."""

    lab: Any
    sizes: Sizes
    backend: Any
    rows: Any
    allocator: Any
    layers: dict[str, Any]


@dataclass
class Request:
    """A request in the pools: `slots` are the full-pool slots of its tokens, in order.

    The tokens before `evicted` have given their slots of the window pool back.
    """

    row: int
    slots: Any
    evicted: int = 0

    @property
    def length(self) -> int:
        return len(self.slots)


@contextmanager
def rig(lab: Any, sizes: Sizes) -> Iterator[Rig]:
    """The backend of a model with one sliding-window and one full attention layer."""
    lab.single_rank()
    with lab.configuration(**_server_facts(sizes)), _undivided():
        with lab.observe("construct"):
            rows, cache = _pools(sizes)
            allocator = _allocator(sizes, cache)
            backend = _backend(_model_runner(lab, sizes, rows, cache, allocator))
        with _forwarding(backend):
            yield Rig(lab, sizes, backend, rows, allocator, _layers(sizes.window))


# --- standing it up ------------------------------------------------------------------------


def _backend(runner: Any) -> Any:
    from sglang.srt.layers.attention.triton_backend import TritonAttnBackend

    return TritonAttnBackend(runner)


def _pools(sizes: Sizes) -> tuple[Any, Any]:
    """The page table and the KV cache."""
    from sglang.srt.mem_cache.memory_pool import ReqToTokenPool
    from sglang.srt.mem_cache.swa_memory_pool import SWAKVPool

    rows = ReqToTokenPool(_ROWS, sizes.context_len, device="cpu", enable_memory_saver=False)
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
        device="cpu",
        **transposed,
    )
    return rows, cache


def _allocator(sizes: Sizes, cache: Any) -> Any:
    try:
        from sglang.srt.mem_cache.allocator.swa import SWATokenToKVPoolAllocator
    except ImportError:  # up to 0.5.12.post1 it lives beside the pool
        from sglang.srt.mem_cache.swa_memory_pool import SWATokenToKVPoolAllocator
    return SWATokenToKVPoolAllocator(
        sizes.full_tokens,
        sizes.swa_tokens,
        page_size=sizes.page_size,
        dtype=sizes.torch_dtype,
        device="cpu",
        kvcache=cache,
        need_sort=False,
    )


def _takes(function: Any, parameter: str) -> bool:
    return parameter in inspect.signature(function).parameters


def _model_runner(lab: Any, sizes: Sizes, rows: Any, cache: Any, allocator: Any) -> Any:
    return lab.stand_in(
        "model_runner",
        model_config=_model_config(lab, sizes),
        server_args=lab.stand_in("server_args", disable_cuda_graph=True, **_server_facts(sizes)),
        device="cpu",
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
        req_to_token_pool=rows,
        token_to_kv_pool=cache,
        token_to_kv_pool_allocator=allocator,
        decode_num_tokens_per_req=lambda: 1,
        is_draft_worker=False,
        **_translator(sizes, rows, cache, allocator),
    )


def _translator(sizes: Sizes, rows: Any, cache: Any, allocator: Any) -> dict[str, Any]:
    """Upstream's own translator of KV indices, in the releases that have one."""
    try:
        from sglang.srt.mem_cache.kv_index_translator import KVIndexTranslator
    except ImportError:  # before 0.5.19
        return {}
    translator = KVIndexTranslator(
        req_to_token=rows.req_to_token,
        token_to_kv_pool_allocator=allocator,
        token_to_kv_pool=cache,
        page_size=sizes.page_size,
        device="cpu",
    )
    return {"kv_index_translator": translator}


def _model_config(lab: Any, sizes: Sizes) -> Any:
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


def _server_facts(sizes: Sizes) -> dict[str, Any]:
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


def _undivided() -> Any:
    """States that no request's context is divided among ranks, where the backend asks (0.5.23 does)."""
    from sglang.srt import runtime_context

    asked = hasattr(runtime_context, "get_spec")
    return runtime_context.get_parallel().override(attn_dcp_rank=0) if asked else nullcontext()


def _layers(window: int) -> dict[str, Any]:
    from sglang.srt.layers.radix_attention import RadixAttention

    windows = {"sliding_window": window, "full": -1}
    return {
        kind: RadixAttention(
            Q_HEADS, HEAD_DIM, SCALING, KV_HEADS, layer_id=layer_id, sliding_window_size=windows[kind]
        )
        for kind, layer_id in LAYERS.items()
    }


def _forwarding(backend: Any) -> Any:
    """What tells an attention layer its backend: a context from 0.5.13 on, before that the batch itself."""
    try:
        from sglang.srt.model_executor.forward_context import ForwardContext, forward_context
    except ImportError:
        return nullcontext()
    return forward_context(ForwardContext(attn_backend=backend))


# --- driving it ----------------------------------------------------------------------------


def admit(rig: Rig) -> Request:
    """A request without tokens in a row of its own."""
    import torch

    return Request(row=rig.rows.free_slots.pop(0), slots=torch.empty(0, dtype=torch.int64))


def extend(rig: Rig, request: Request, length: int) -> Any:
    """Allocate `length` more tokens and prepare the backend for their forward pass; returns its batch."""
    import torch

    with rig.lab.observe("evict"):
        _evict(rig, request)
    with rig.lab.observe("allocate"):
        new = _allocate(rig, request, length)
    batch = _batch(rig, request, new)
    total = request.length + length
    rig.rows.write((request.row, slice(request.length, total)), new.to(rig.rows.req_to_token.dtype))
    request.slots = torch.cat([request.slots, new])
    with rig.lab.observe("metadata"):
        _plan(rig.backend, batch)
        rig.backend.init_forward_metadata(batch)
    return batch


def attend(rig: Rig, kind: str, batch: Any, q: Any, k: Any, v: Any) -> Any:
    """One layer's forward pass over the new tokens; q, k, v and the result are [tokens, heads, dimension]."""
    with rig.lab.observe(f"forward_extend {kind}"):
        return rig.layers[kind](q.flatten(1), k, v, batch).view(q.shape)


def finish(rig: Rig, request: Request) -> None:
    """Give back everything the request still holds."""
    with rig.lab.observe("finish"):
        _free(rig.allocator, request)
    rig.rows.free_slots.append(request.row)


def _free(allocator: Any, request: Request) -> None:
    try:
        from sglang.srt.mem_cache.common import free_kv_row_segments
    except ImportError:  # before 0.5.20 the allocator itself skips what has left the window
        allocator.free(request.slots)
    else:
        free_kv_row_segments(allocator, [(request.slots, 0)], swa_evicted_seqlen=request.evicted)


def translated(rig: Rig, slots: Any) -> Any:
    """The window pool's slots of full-pool slots."""
    return rig.allocator.full_to_swa_index_mapping[slots]


def _plan(backend: Any, batch: Any) -> None:
    """Translate the batch's write slots once, as `ForwardBatch.init_new` does in releases that plan them."""
    translator = getattr(backend, "kv_index_translator", None)
    if hasattr(translator, "own_plan"):
        translator.own_plan(batch).bind(batch, translator)


def _evict(rig: Rig, request: Request) -> None:
    """Free the window pool's whole pages that no later query sees, as upstream's scheduler does
    for requests outside a prefix tree (`free_swa_out_of_window_slots` since 0.5.14)."""
    page = rig.allocator.page_size
    end = max(request.evicted, (request.length - rig.sizes.window) // page * page)
    if end > request.evicted:
        rig.allocator.free_swa(request.slots[request.evicted : end])
        request.evicted = end


def _allocate(rig: Rig, request: Request, length: int) -> Any:
    import torch

    allocator = rig.allocator
    if allocator.page_size == 1:
        new = allocator.alloc(length)
    else:
        before, after = torch.tensor([request.length]), torch.tensor([request.length + length])
        last = request.slots[-1:] if request.length else torch.tensor([-1])
        new = allocator.alloc_extend(before, before, after, after, last, length)
    if new is None:
        full, window = allocator.full_available_size(), allocator.swa_available_size()
        raise BadInput(
            f"chunks: upstream refuses {length} tokens with {full} slots free in the full and {window} in "
            "the window pool: raise full_tokens and swa_tokens"
        )
    return new


def _batch(rig: Rig, request: Request, new: Any) -> Any:
    import torch
    from sglang.srt.model_executor.forward_batch_info import ForwardBatch, ForwardMode

    prefix, length = request.length, len(new)
    known = {field.name for field in dataclasses.fields(ForwardBatch)}
    # Up to 0.5.12 the batch carries what the forward context and the backend do later.
    carried = {
        "req_to_token_pool": rig.rows,
        "token_to_kv_pool": rig.allocator.get_kvcache(),
        "attn_backend": rig.backend,
    }
    return ForwardBatch(
        forward_mode=ForwardMode.EXTEND,
        batch_size=1,
        input_ids=torch.zeros(length, dtype=torch.int64),
        req_pool_indices=torch.tensor([request.row], dtype=torch.int64),
        seq_lens=torch.tensor([prefix + length], dtype=torch.int64),
        seq_lens_cpu=torch.tensor([prefix + length], dtype=torch.int64),
        seq_lens_sum=prefix + length,
        out_cache_loc=new,
        extend_num_tokens=length,
        extend_seq_lens=torch.tensor([length], dtype=torch.int32),
        extend_seq_lens_cpu=[length],
        extend_prefix_lens=torch.tensor([prefix], dtype=torch.int32),
        extend_prefix_lens_cpu=[prefix],
        extend_start_loc=torch.zeros(1, dtype=torch.int32),
        **{name: value for name, value in carried.items() if name in known},
    )

"""Upstream's pools of one kind of attention: the page table, the KV cache and what hands out its slots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reproducers.rigs import paging, translation

AHEAD = (
    "sglang.srt.model_executor.runner.base_runner",
    "sglang.srt.mem_cache.kv_index_translator",
    "sglang.kernels.ops.attention.extend_attention",
)
"""What an attention backend over such pools comes to import when it runs."""

Cache = Callable[[int, int, str], Any]
"""Makes a KV cache for so many tokens in pages of so many, on a device."""


@dataclass(frozen=True)
class Pools:
    """`rows` is the page table (ReqToTokenPool), `cache` the KV pool, `allocator` hands out its slots."""

    rows: Any
    cache: Any
    allocator: Any
    device: str

    @property
    def page_size(self) -> int:
        return int(self.allocator.page_size)

    def facts(self, *, translator: bool = True) -> dict[str, Any]:
        """What a model runner over these pools answers; a translator of KV indices where there is one."""
        own = translation.of_indices(self.rows, self.cache, self.allocator, self.device) if translator else {}
        named = dict(req_to_token_pool=self.rows, token_to_kv_pool=self.cache)
        return {**named, "token_to_kv_pool_allocator": self.allocator, **own}


def paged(*, rows: int, row_len: int, page_size: int, cache: Cache, device: str = "cpu") -> Pools:
    """Room for `rows` requests of `row_len` tokens, each in whole pages of its own."""
    import torch
    from sglang.srt.mem_cache.allocator import PagedTokenToKVPoolAllocator, TokenToKVPoolAllocator
    from sglang.srt.mem_cache.memory_pool import ReqToTokenPool

    tokens = rows * paging.whole(row_len, page_size)
    table = ReqToTokenPool(size=rows, max_context_len=row_len, device=device, enable_memory_saver=False)
    stored = cache(tokens, page_size, device)
    in_pages = dict(page_size=page_size) if page_size > 1 else {}
    kind = PagedTokenToKVPoolAllocator if page_size > 1 else TokenToKVPoolAllocator
    facts = dict(dtype=torch.float32, device=device, kvcache=stored, need_sort=False)
    return Pools(table, stored, kind(tokens, **in_pages, **facts), device)


def mha(heads: int, head_dim: int, **switches: bool) -> Cache:
    """One layer of multi-head attention; `switches` are further ones of upstream's MHATokenToKVPool."""

    def make(tokens: int, page_size: int, device: str) -> Any:
        from sglang.srt.mem_cache.memory_pool import MHATokenToKVPool

        return MHATokenToKVPool(
            tokens, head_num=heads, head_dim=head_dim, **_layer(page_size, device), **switches
        )

    return make


def mla(lora_rank: int, rope_dim: int) -> Cache:
    """One layer of multi-head latent attention."""

    def make(tokens: int, page_size: int, device: str) -> Any:
        from sglang.srt.mem_cache.memory_pool import MLATokenToKVPool

        ranks = dict(kv_lora_rank=lora_rank, qk_rope_head_dim=rope_dim)
        return MLATokenToKVPool(tokens, **ranks, **_layer(page_size, device))

    return make


def dsa(dim: int, key_bytes: int) -> Cache:
    """One layer of DeepSeek's sparse attention in bfloat16, with keys of so many bytes for its indexer.

    The pool has one page more than asked for, for padding.
    """

    def make(tokens: int, page_size: int, device: str) -> Any:
        import torch
        from sglang.srt.mem_cache.memory_pool import DSATokenToKVPool

        sizes = dict(kv_lora_rank=dim, qk_rope_head_dim=dim, kv_cache_dim=2 * dim, index_head_dim=key_bytes)
        layer = {**_layer(page_size, device), "dtype": torch.bfloat16}
        return DSATokenToKVPool(size=tokens, **sizes, **layer)

    return make


def index_keys(pool: Any) -> Any:
    """The tables of the indexer's keys in such a pool, one a layer: since 0.5.18 a cache of their own."""
    return pool.index_key_cache.buffer if hasattr(pool, "index_key_cache") else pool.index_k_with_scale_buffer


def _layer(page_size: int, device: str) -> dict[str, Any]:
    import torch

    return dict(
        page_size=page_size, dtype=torch.float32, layer_num=1, device=device, enable_memory_saver=False
    )

"""References for what upstream's aiter back end calls: attention over a pool of single slots.

The arguments are in aiter's order (`aiter/ops/attention.py` and `aiter/ops/mha.py`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch

from harness.host.attention.dense import UNBOUNDED, Form, attend
from harness.host.attention.packed import flash_attn_varlen_func
from harness.host.attention.refusal import refuse
from harness.host.attention.tables import Table, Told

NAMES = ("flash_attn_varlen_func", "mha_batch_prefill_func", "paged_attention_ragged")


@dataclass(frozen=True)
class Aiter:
    """The functions; `told` hears of each stray read."""

    told: Told

    def paged_attention_ragged(
        self,
        out: torch.Tensor,
        workspace_buffer: torch.Tensor,
        query: torch.Tensor,
        key_cache: torch.Tensor,
        value_cache: torch.Tensor,
        scale: float,
        kv_indptr: torch.Tensor,
        kv_page_indices: torch.Tensor,
        kv_last_page_lens: torch.Tensor,
        block_size: int,
        max_num_partitions: int,
        alibi_slopes: torch.Tensor | None,
        kv_cache_dtype: str,
        kv_cache_layout: str,
        logits_soft_cap: float,
        k_scale: Any,
        v_scale: Any,
        *rest: Any,
    ) -> None:
        """One query a sequence, [sequences, H, D], into `out`; pages are single slots in layout NHD."""
        other = (
            None if (block_size, kv_cache_dtype, kv_cache_layout) == (1, "auto", "NHD") else kv_cache_layout
        )
        refuse("paged_attention_ragged", alibi_slopes=alibi_slopes, kv_cache_layout=other)
        form = Form(scale=scale, softcap=logits_soft_cap or 0.0)
        keys, values, bounds = _slots(key_cache), _slots(value_cache), kv_indptr.tolist()
        table = self._table(kv_page_indices, keys, "paged_attention_ragged")
        for one in range(query.shape[0]):
            rows = table.read(bounds[one], bounds[one + 1])
            if len(rows):
                out[one : one + 1] = attend(query[one : one + 1], keys[rows], values[rows], form)[0]

    def mha_batch_prefill_func(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        cu_seqlens_q: torch.Tensor,
        kv_indptr: torch.Tensor,
        kv_page_indices: torch.Tensor,
        max_seqlen_q: int,
        max_seqlen_k: int,
        *,
        causal: bool = False,
        logits_soft_cap: float = 0.0,
        alibi_slopes: torch.Tensor | None = None,
        return_lse: bool = False,
        return_attn_probs: bool = False,
        window_size: tuple[int, int] = UNBOUNDED,
        sink_ptr: torch.Tensor | None = None,
        out: torch.Tensor | None = None,
        softmax_scale: float | None = None,
        **descales: Any,
    ) -> torch.Tensor:
        """Queries [tokens, H, D], each sequence's last at the last of its slots; the output is alike."""
        refuse("mha_batch_prefill_func", alibi_slopes=alibi_slopes, return_lse=return_lse, sink_ptr=sink_ptr)
        refuse("mha_batch_prefill_func", return_attn_probs=return_attn_probs, **descales)
        out = torch.zeros_like(q) if out is None else out
        starts, bounds = cu_seqlens_q.tolist(), kv_indptr.tolist()
        keys, values = _slots(k), _slots(v)
        scale = q.shape[-1] ** -0.5 if softmax_scale is None else softmax_scale
        form = Form(scale=scale, causal=causal, window=window_size[:2], softcap=logits_soft_cap or 0.0)
        table = self._table(kv_page_indices, keys, "mha_batch_prefill_func")
        for one, (first, last) in enumerate(itertools.pairwise(starts)):
            rows = table.read(bounds[one], bounds[one + 1])
            if last > first:
                out[first:last] = attend(q[first:last], keys[rows], values[rows], form)[0]
        return out

    flash_attn_varlen_func = staticmethod(flash_attn_varlen_func)

    def _table(self, entries: torch.Tensor, keys: torch.Tensor, kernel: str) -> Table:
        return Table(
            entries=entries.view(-1), name="kv_indices", kernel=kernel, slots=keys.shape[0], told=self.told
        )


def _slots(cache: torch.Tensor) -> torch.Tensor:
    """A cache of pages as single slots: [slots, Hk, D]."""
    return cache.reshape(-1, *cache.shape[-2:])

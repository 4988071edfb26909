"""References for FlashAttention 3 as upstream's kernel library hands it out (`sgl_kernel.flash_attn`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from harness.host.attention.dense import UNBOUNDED, Form, attend
from harness.host.attention.packed import IGNORED, Output, blank, flash_attn_varlen_func
from harness.host.attention.refusal import refuse
from harness.host.attention.tables import Table, Told

NAMES = ("flash_attn_varlen_func", "flash_attn_with_kvcache")


@dataclass(frozen=True)
class Fa3:
    """The functions; `told` hears of each stray read."""

    told: Told

    def flash_attn_with_kvcache(
        self,
        q: torch.Tensor,
        k_cache: torch.Tensor,
        v_cache: torch.Tensor,
        *,
        cache_seqlens: torch.Tensor,
        page_table: torch.Tensor,
        cu_seqlens_q: torch.Tensor | None = None,
        cu_seqlens_k_new: torch.Tensor | None = None,
        max_seqlen_q: int | None = None,
        softmax_scale: float | None = None,
        causal: bool = False,
        window_size: tuple[int, int] = UNBOUNDED,
        softcap: float = 0.0,
        return_softmax_lse: bool = False,
        out: torch.Tensor | None = None,
        **others: Any,
    ) -> Output:
        """q is [tokens, H, D], cut by `cu_seqlens_q`, or [sequences, tokens, H, D]; the caches are pages.

        A page is [slots, Hk, D]; row i of `page_table` names those of sequence i, whose length is
        `cache_seqlens[i]`. `cu_seqlens_k_new` only matters to a call that brings new keys; none does here.
        """
        refuse(
            "flash_attn_with_kvcache", **{name: one for name, one in others.items() if name not in IGNORED}
        )
        shape, (flat, starts) = q.shape, _cut(q, cu_seqlens_q)
        answers, sums = blank(flat, out)
        scale = shape[-1] ** -0.5 if softmax_scale is None else softmax_scale
        form = Form(scale=scale, causal=causal, window=window_size[:2], softcap=softcap or 0.0)
        for one, length in enumerate(cache_seqlens.tolist()[: len(starts) - 1]):
            mine = slice(starts[one], starts[one + 1])
            if starts[one + 1] > starts[one] and length:
                pages = self._pages(page_table[one], k_cache, length)
                keys, values = (cache[pages].flatten(0, 1)[:length] for cache in (k_cache, v_cache))
                answers[mine], sums[:, mine] = attend(flat[mine], keys, values, form)
        return (answers.view(shape), sums) if return_softmax_lse else answers.view(shape)

    flash_attn_varlen_func = staticmethod(flash_attn_varlen_func)

    def _pages(self, row: torch.Tensor, cache: torch.Tensor, length: int) -> torch.Tensor:
        name, kernel = "page_table", "flash_attn_with_kvcache"
        table = Table(entries=row, name=name, kernel=kernel, slots=cache.shape[0], told=self.told)
        return table.read(0, -(-length // cache.shape[1]))

    @staticmethod
    def merge_state_v2(
        prefix_output: torch.Tensor,
        prefix_lse: torch.Tensor,
        suffix_output: torch.Tensor,
        suffix_lse: torch.Tensor,
        output: torch.Tensor | None = None,
        output_lse: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Two parts of one softmax as the whole: outputs [tokens, H, D], their sums' logs [tokens, H]."""
        whole = torch.logaddexp(prefix_lse.float(), suffix_lse.float())
        shares = (
            torch.exp(one.float() - whole).nan_to_num(0.0)[..., None] for one in (prefix_lse, suffix_lse)
        )
        first, second = (
            part.float() * share for part, share in zip((prefix_output, suffix_output), shares, strict=True)
        )
        merged = (first + second).to(prefix_output.dtype)
        for into, made in ((output, merged), (output_lse, whole)):
            if into is not None:
                into.copy_(made)
        return (merged if output is None else output), (whole if output_lse is None else output_lse)


def _cut(q: torch.Tensor, cu_seqlens_q: torch.Tensor | None) -> tuple[torch.Tensor, list[int]]:
    """The queries in one row, and where each sequence's begin and end."""
    if cu_seqlens_q is not None:
        return q, cu_seqlens_q.tolist()
    return q.flatten(0, 1), [number * q.shape[1] for number in range(q.shape[0] + 1)]

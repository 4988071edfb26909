"""Attention of packed sequences without a cache, which both libraries have under one name."""

from __future__ import annotations

from typing import Any

import torch

from harness.host.attention.dense import UNBOUNDED, Form, attend
from harness.host.attention.refusal import refuse

Output = torch.Tensor | tuple[torch.Tensor, torch.Tensor]
IGNORED = frozenset({"num_splits", "ver", "deterministic", "scheduler_metadata", "dropout_p"})
"""Arguments that say how a kernel is to do its work, and change no result."""


def flash_attn_varlen_func(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    cu_seqlens_q: torch.Tensor,
    cu_seqlens_k: torch.Tensor,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
    *,
    softmax_scale: float | None = None,
    causal: bool = False,
    window_size: tuple[int, int] = UNBOUNDED,
    softcap: float = 0.0,
    return_softmax_lse: bool = False,
    out: torch.Tensor | None = None,
    **others: Any,
) -> Output:
    """q [tokens, H, D] and k, v [tokens, Hk, D], cut into sequences by the prefix sums."""
    refuse("flash_attn_varlen_func", **{name: one for name, one in others.items() if name not in IGNORED})
    out, sums = blank(q, out)
    scale = q.shape[-1] ** -0.5 if softmax_scale is None else softmax_scale
    form = Form(scale=scale, causal=causal, window=window_size[:2], softcap=softcap or 0.0)
    asked, known = cu_seqlens_q.tolist(), cu_seqlens_k.tolist()
    for one in range(len(asked) - 1):
        mine, keys = slice(asked[one], asked[one + 1]), slice(known[one], known[one + 1])
        if asked[one + 1] > asked[one] and known[one + 1] > known[one]:
            out[mine], sums[:, mine] = attend(q[mine], k[keys], v[keys], form)
    return (out, sums) if return_softmax_lse else out


def blank(q: torch.Tensor, out: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Where the answers go: zeros [tokens, H, D], and the sums of no key [H, tokens] in float32."""
    made = torch.zeros_like(q) if out is None else out.view(q.shape)
    return made, torch.full((q.shape[1], q.shape[0]), -torch.inf)

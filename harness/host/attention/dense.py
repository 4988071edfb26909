"""Attention of one sequence, whole: what every reference comes down to."""

from __future__ import annotations

from dataclasses import dataclass

import torch

UNBOUNDED = (-1, -1)


@dataclass(frozen=True, kw_only=True)
class Form:
    """How queries see keys. `window` is (left, right) in tokens, -1 being no bound on that side.

    The last query stands at the last key, so that query i of n stands at key i + m - n of m.
    """

    scale: float
    causal: bool = True
    window: tuple[int, int] = UNBOUNDED
    softcap: float = 0.0


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, form: Form
) -> tuple[torch.Tensor, torch.Tensor]:
    """The output [n, H, Dv] in q's type, and the log of the softmax's sum [H, n] in float32.

    q is [n, H, D], k [m, Hk, D], v [m, Hk, Dv], where Hk divides H. Sums are float32's. A query that sees no
    key gets zeros, and minus infinity.
    """
    group = q.shape[1] // k.shape[1]
    keys, values = (one.repeat_interleave(group, dim=1).float() for one in (k, v))
    scores = torch.einsum("nhd,mhd->hnm", q.float(), keys) * form.scale
    if form.softcap > 0:
        scores = form.softcap * torch.tanh(scores / form.softcap)
    scores = scores.masked_fill(~_seen(q.shape[0], k.shape[0], form), -torch.inf)
    sums = torch.logsumexp(scores, -1)
    weights = torch.exp(scores - sums[..., None]).nan_to_num(0.0)
    return torch.einsum("hnm,mhd->nhd", weights, values).to(q.dtype), sums


def _seen(queries: int, keys: int, form: Form) -> torch.Tensor:
    """[queries, keys]: whether a query sees a key."""
    stands = torch.arange(queries)[:, None] + keys - queries
    apart = torch.arange(keys)[None] - stands
    left, right = form.window
    right = 0 if form.causal else right
    seen = torch.ones(queries, keys, dtype=torch.bool)
    if left >= 0:
        seen &= apart >= -left
    if right >= 0:
        seen &= apart <= right
    return seen

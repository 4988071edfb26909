"""Attention in float64, one score at a time, to hold references against."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

Sees = Callable[[int, int], bool]
"""Whether the query at one place among the queries sees the key at another among the keys."""


def attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, sees: Sees, scale: float, softcap: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """The output [n, H, D] and the log of the sums [H, n], of q [n, H, D] and k, v [m, Hk, D]."""
    q, k, v = q.double(), k.double(), v.double()
    out, sums = torch.zeros_like(q), torch.full((q.shape[1], q.shape[0]), -torch.inf, dtype=torch.float64)
    group = q.shape[1] // k.shape[1]
    for query in range(q.shape[0]):
        for head in range(q.shape[1]):
            seen = [key for key in range(k.shape[0]) if sees(query, key)]
            if not seen:
                continue
            scores = [float(q[query, head] @ k[key, head // group]) * scale for key in seen]
            if softcap:
                scores = [softcap * math.tanh(score / softcap) for score in scores]
            whole = math.log(sum(math.exp(score) for score in scores))
            sums[head, query] = whole
            for key, score in zip(seen, scores, strict=True):
                out[query, head] += math.exp(score - whole) * v[key, head // group]
    return out, sums


def behind(queries: int, keys: int, window: tuple[int, int] = (-1, -1), causal: bool = True) -> Sees:
    """The last query stands at the last key; `window` bounds what is seen to the left and the right of it."""

    def sees(query: int, key: int) -> bool:
        apart = key - (query + keys - queries)
        left = window[0] < 0 or apart >= -window[0]
        return left and (apart <= 0 if causal else window[1] < 0 or apart <= window[1])

    return sees


def close(seen: torch.Tensor, exact: torch.Tensor) -> None:
    torch.testing.assert_close(seen.double(), exact, atol=2e-6, rtol=2e-6)

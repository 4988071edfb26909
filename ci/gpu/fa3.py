"""Holds plain, paged FA3 calls of sgl_kernel against a float64 reference; writes what it saw as JSON.

Before any server is judged with FA3: a kit carries FA3 with few of its kernels, or another build of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

TOLERANCES = {"bfloat16": 1e-2, "float16": 2e-3}
"""Of the largest difference, absolute: outputs are averages of values of standard deviation 1, and the
types keep 8 and 11 bits."""
HEADS, KV_HEADS = 8, 2
LENGTHS = (1, 2, 15, 16, 17, 33, 127, 300)
"""Tokens in the cache, a request each: pages that are empty, partial, full."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The largest difference of one call, over all requests, heads and dimensions."""

    page_size: int
    head_size: int
    dtype: str
    queries: int
    difference: float
    allowed: float

    @property
    def agrees(self) -> bool:
        return self.difference <= self.allowed  # False for NaN


def main() -> int:
    """0 if every call agrees."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--head-size", type=int, default=64)
    parser.add_argument("--dtype", choices=sorted(TOLERANCES), default="bfloat16")
    parser.add_argument("--page-sizes", default="2,16")
    parser.add_argument("--out", type=Path, help="folder for fa3.json")
    chosen = parser.parse_args()
    found = [
        check(page_size, chosen.head_size, chosen.dtype, queries)
        for page_size in map(int, chosen.page_sizes.split(","))
        for queries in (1, 7)
    ]
    for one in found:
        word = "agrees" if one.agrees else "DIFFERS"
        text = f"page size {one.page_size}, {one.queries} queries"
        print(f"{word}: {text}: {one.difference:.2e}, allowed {one.allowed:.0e}")
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        document = [asdict(one) | {"agrees": one.agrees} for one in found]
        (chosen.out / "fa3.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if all(one.agrees for one in found) else 1


def check(page_size: int, head_size: int, dtype: str, queries: int) -> Outcome:
    """One call over all requests: the last `queries` tokens of each attend to what its pages hold."""
    import torch
    from sgl_kernel.flash_attn import flash_attn_with_kvcache  # type: ignore[import-not-found]

    generator = torch.Generator(device="cuda").manual_seed(page_size * 1000 + queries)
    lengths = [max(length, queries) for length in LENGTHS]
    table, pages = _page_table(lengths, page_size, generator)
    common: dict[str, Any] = dict(device="cuda", generator=generator)
    shape = (pages, page_size, KV_HEADS, head_size)
    keys, values = (torch.randn(shape, **common).to(getattr(torch, dtype)) for _ in range(2))
    query = torch.randn((len(lengths), queries, HEADS, head_size), **common).to(keys.dtype)
    got = flash_attn_with_kvcache(
        q=query,
        k_cache=keys,
        v_cache=values,
        page_table=table,
        cache_seqlens=torch.tensor(lengths, dtype=torch.int32, device="cuda"),
        softmax_scale=head_size**-0.5,
        causal=True,
    )
    wanted = torch.stack(
        [
            reference(one, *(_gathered(cache, row, length) for cache in (keys, values)))
            for one, row, length in zip(query, table, lengths, strict=True)
        ]
    )
    difference = float((got.to(torch.float64) - wanted).abs().max())
    facts = dict(page_size=page_size, head_size=head_size, dtype=dtype, queries=queries)
    return Outcome(**facts, difference=difference, allowed=TOLERANCES[dtype])  # type: ignore[arg-type]


def _page_table(lengths: list[int], page_size: int, generator: Any) -> tuple[Any, int]:
    """A table [requests, pages], int32, of pages in no order, and how many pages there are."""
    import torch

    needed = [-(-length // page_size) for length in lengths]
    order = torch.randperm(sum(needed), generator=generator, device="cuda").to(torch.int32)
    table = torch.zeros((len(lengths), max(needed)), dtype=torch.int32, device="cuda")
    for row, (pages, first) in enumerate(zip(needed, _running(needed), strict=True)):
        table[row, :pages] = order[first : first + pages]
    return table, sum(needed)


def _running(numbers: list[int]) -> list[int]:
    return [sum(numbers[:index]) for index in range(len(numbers))]


def _gathered(cache: Any, row: Any, length: int) -> Any:
    """A request's tokens [length, heads, dimension], float64, in the order of its pages."""
    import torch

    return cache[row.long()].flatten(0, 1)[:length].to(torch.float64)


def reference(query: Any, keys: Any, values: Any) -> Any:
    """Causal attention in float64; the last query sees every key, heads share keys in groups."""
    import torch

    query, group = query.to(torch.float64), query.shape[1] // keys.shape[1]
    keys, values = (tensor.repeat_interleave(group, dim=1) for tensor in (keys, values))
    scores = torch.einsum("qhd,khd->hqk", query, keys) * query.shape[-1] ** -0.5
    queries, length = query.shape[0], keys.shape[0]
    last = torch.arange(queries, device=query.device)[:, None] + length - queries
    hidden = torch.arange(length, device=query.device)[None, :] > last
    return torch.einsum("hqk,khd->qhd", scores.masked_fill(hidden, float("-inf")).softmax(-1), values)


if __name__ == "__main__":
    sys.exit(main())

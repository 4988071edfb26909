"""FlashAttention's functions against attention in float64: pages, windows, and trees of draft tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import StandInMisused
from harness.host.attention import Stray
from harness.host.attention.fa3 import Fa3
from harness.tests.host.attention import exact, pools

SCALE = 0.3
WINDOWS = st.sampled_from(((-1, -1), (2, -1), (1, 1), (0, 0)))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 999),
    st.sampled_from((1, 2, 16)),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=3),
    WINDOWS,
    st.booleans(),
    st.sampled_from((0.0, 1.5)),
)
def test_packed_queries_see_their_own_pages(
    seed: int, page: int, sizes: list[tuple[int, int]], window: tuple[int, int], causal: bool, cap: float
) -> None:
    new, lengths = [size for size, _ in sizes], [size + prefix for size, prefix in sizes]
    pool, told = pools.pool(seed, lengths, page), list[Stray]()
    q, starts = pools.queries(seed, sum(new)), pools.prefix_sums(new)
    out, sums = Fa3(told.append).flash_attn_with_kvcache(
        q, pool.keys, pool.values, page_table=pools.page_table(pool), causal=causal, softcap=cap,
        cache_seqlens=torch.tensor(lengths, dtype=torch.int32), cu_seqlens_q=starts, softmax_scale=SCALE,
        window_size=window, return_softmax_lse=True, num_splits=1, ver=3,
    )  # fmt: skip
    for one, (count, _) in enumerate(sizes):
        mine = slice(int(starts[one]), int(starts[one + 1]))
        sees = exact.behind(count, lengths[one], window, causal)
        due, whole = exact.attention(q[mine], *pool.of(one), sees, SCALE, cap)
        exact.close(out[mine], due)
        exact.close(sums[:, mine], whole)
    assert told == []


def test_queries_of_one_length_may_come_as_a_batch() -> None:
    pool = pools.pool(5, [7, 5], page=2)
    q, lengths = pools.queries(5, 4), torch.tensor([7, 5], dtype=torch.int32)
    facts: dict[str, Any] = dict(cache_seqlens=lengths, page_table=pools.page_table(pool), causal=True)
    flat = Fa3(list[Stray]().append).flash_attn_with_kvcache(
        q,
        pool.keys,
        pool.values,
        cu_seqlens_q=pools.prefix_sums([2, 2]),
        **facts,
    )
    shaped = Fa3(list[Stray]().append).flash_attn_with_kvcache(
        q.unflatten(0, (2, 2)), pool.keys, pool.values, **facts
    )
    assert isinstance(flat, torch.Tensor) and isinstance(shaped, torch.Tensor)
    assert shaped.shape == (2, 2, pools.HEADS, pools.SIZE) and torch.equal(shaped.flatten(0, 1), flat)


@st.composite
def trees(draw: st.DrawFn) -> list[list[bool]]:
    """Masks of trees of draft tokens: a node sees itself and its forebears."""
    parents = [draw(st.integers(-1, node - 1)) for node in range(draw(st.integers(1, 6)))]
    masks: list[list[bool]] = []
    for node, parent in enumerate(parents):
        above = masks[parent] if parent >= 0 else [False] * len(parents)
        masks.append([seen or place == node for place, seen in enumerate(above)])
    return masks


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 999), st.integers(0, 9), trees())
def test_a_tree_of_draft_tokens_is_a_prefix_and_a_table_a_node(
    seed: int, prefix: int, masks: list[list[bool]]
) -> None:
    """As upstream asks for it: the prefix's pages for all nodes, and for each node the slots it sees."""
    count = len(masks)
    pool = pools.pool(seed, [prefix + count])
    q, slots = pools.queries(seed, count), pool.slots(0)
    nodes = [[slot for slot, seen in zip(slots[prefix:], mask, strict=True) if seen] for mask in masks]
    table = torch.zeros(count, count, dtype=torch.int32)
    for node, mine in enumerate(nodes):
        table[node, : len(mine)] = torch.tensor(mine, dtype=torch.int32)
    told = list[Stray]()
    reference = Fa3(told.append)
    shared: dict[str, Any] = dict(
        k_cache=pool.keys, v_cache=pool.values, softmax_scale=SCALE, return_softmax_lse=True
    )
    first = reference.flash_attn_with_kvcache(
        q, page_table=torch.tensor([slots], dtype=torch.int32), cu_seqlens_q=pools.prefix_sums([count]),
        cache_seqlens=torch.tensor([prefix], dtype=torch.int32), **shared,
    )  # fmt: skip
    second = reference.flash_attn_with_kvcache(
        q, page_table=table, cu_seqlens_q=pools.prefix_sums([1] * count),
        cache_seqlens=torch.tensor([len(mine) for mine in nodes], dtype=torch.int32), **shared,
    )  # fmt: skip
    out, sums = reference.merge_state_v2(first[0], first[1].T, second[0], second[1].T)
    due, whole = exact.attention(
        q, *pool.of(0), lambda node, key: key < prefix or masks[node][key - prefix], SCALE
    )
    exact.close(out, due)
    exact.close(sums.T, whole)
    assert told == []


def test_a_table_that_is_too_narrow_is_told() -> None:
    pool, told = pools.pool(6, [5], page=2), list[Stray]()
    Fa3(told.append).flash_attn_with_kvcache(
        pools.queries(6, 1), pool.keys, pool.values, page_table=pools.page_table(pool)[:, :2],
        cache_seqlens=torch.tensor([5]), cu_seqlens_q=pools.prefix_sums([1]),
    )  # fmt: skip
    (stray,) = told
    assert (stray.kind, stray.buffer, stray.numel, stray.elements) == ("oob-read", "page_table", 2, (2,))
    assert stray.kernel == "flash_attn_with_kvcache"


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 999),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=3),
    WINDOWS,
)
def test_packed_sequences_need_no_cache(
    seed: int, sizes: list[tuple[int, int]], window: tuple[int, int]
) -> None:
    asked, known = [size for size, _ in sizes], [size for _, size in sizes]
    draw = torch.Generator().manual_seed(seed)
    q = pools.queries(seed, sum(asked))
    k, v = (torch.randn(sum(known), pools.KV_HEADS, pools.SIZE, generator=draw) for _ in range(2))
    starts, ends = pools.prefix_sums(asked), pools.prefix_sums(known)
    out, sums = Fa3.flash_attn_varlen_func(
        q, k, v, starts, ends, softmax_scale=SCALE, window_size=window, return_softmax_lse=True
    )
    for one in range(len(sizes)):
        mine, keys = slice(starts[one], starts[one + 1]), slice(ends[one], ends[one + 1])
        sees = exact.behind(asked[one], known[one], window, causal=False)
        due, whole = exact.attention(q[mine], k[keys], v[keys], sees, SCALE)
        exact.close(out[mine], due)
        exact.close(sums[:, mine], whole)


def test_answers_go_where_they_are_asked_to() -> None:
    parts = [torch.rand(3, pools.HEADS, pools.SIZE) for _ in range(2)]
    sums = [torch.rand(3, pools.HEADS) for _ in range(2)]
    due, whole = Fa3.merge_state_v2(parts[0], sums[0], parts[1], sums[1])
    into, over = torch.zeros_like(due), torch.zeros_like(whole)
    out, out_sums = Fa3.merge_state_v2(parts[0], sums[0], parts[1], sums[1], into, over)
    assert out is into and out_sums is over and torch.equal(into, due) and torch.equal(over, whole)
    q = pools.queries(7, 2)
    given = torch.zeros(2, pools.HEADS * pools.SIZE)
    made = Fa3.flash_attn_varlen_func(q, q, q, pools.prefix_sums([2]), pools.prefix_sums([2]), out=given)
    assert isinstance(made, torch.Tensor) and torch.equal(given.view_as(q), made) and bool(given.any())


def test_a_query_with_other_values_is_refused() -> None:
    pool = pools.pool(8, [2])
    with pytest.raises(StandInMisused, match="qv"):
        Fa3(list[Stray]().append).flash_attn_with_kvcache(
            pools.queries(8, 1), pool.keys, pool.values, page_table=pools.page_table(pool),
            cache_seqlens=torch.tensor([2]), cu_seqlens_q=pools.prefix_sums([1]), qv=torch.ones(1),
        )  # fmt: skip

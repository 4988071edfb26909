"""aiter's functions against attention in float64, on pools whose slots lie in any order."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import StandInMisused
from harness.host.attention import Stray
from harness.host.attention.aiter import Aiter
from harness.tests.host.attention import exact, pools

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=4)
CAPS = st.sampled_from((0.0, 1.5))


def decode(pool: pools.Pool, q: torch.Tensor, told: list[Stray], **changed: Any) -> torch.Tensor:
    out = torch.full_like(q, 9.0)
    slots = [slot for one in range(len(pool.lengths)) for slot in pool.slots(one)]
    indices = torch.tensor(slots, dtype=torch.int32)
    facts: dict[str, Any] = {
        "kv_indptr": pools.prefix_sums(pool.lengths), "kv_page_indices": indices,
        "block_size": 1, "alibi_slopes": None, "kv_cache_dtype": "auto", "kv_cache_layout": "NHD",
        "logits_soft_cap": 0.0, "scale": pools.SIZE**-0.5,
    } | changed  # fmt: skip
    rest: dict[str, Any] = {
        "workspace_buffer": torch.empty(0),
        "kv_last_page_lens": torch.ones(1),
        "max_num_partitions": 1,
    }
    Aiter(told.append).paged_attention_ragged(
        out=out,
        query=q,
        key_cache=pool.keys,
        value_cache=pool.values,
        k_scale=None,
        v_scale=None,
        **facts,
        **rest,
    )
    return out


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 999), LENGTHS, CAPS)
def test_a_decode_is_attention_over_each_sequences_own_slots(
    seed: int, lengths: list[int], cap: float
) -> None:
    pool, told = pools.pool(seed, lengths), list[Stray]()
    q = pools.queries(seed, len(lengths))
    out = decode(pool, q, told, logits_soft_cap=cap)
    for one, length in enumerate(lengths):
        sees = exact.behind(1, length)
        due, _ = exact.attention(q[one : one + 1], *pool.of(one), sees, pools.SIZE**-0.5, cap)
        exact.close(out[one : one + 1], due if length else torch.full_like(due, 9.0))
    assert told == []


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 999),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=3),
    st.sampled_from(((-1, -1), (2, -1), (0, 0), (1, 2))),
    st.booleans(),
    CAPS,
)
def test_a_prefill_is_attention_behind_each_cached_prefix(
    seed: int, sizes: list[tuple[int, int]], window: tuple[int, int], causal: bool, cap: float
) -> None:
    new, lengths = [size for size, _ in sizes], [size + prefix for size, prefix in sizes]
    pool, told = pools.pool(seed, lengths), list[Stray]()
    q, starts = pools.queries(seed, sum(new)), pools.prefix_sums(new)
    indices = torch.tensor([slot for one in range(len(sizes)) for slot in pool.slots(one)], dtype=torch.int32)
    out = Aiter(told.append).mha_batch_prefill_func(
        q, pool.keys, pool.values, starts, pools.prefix_sums(lengths), indices, 0, 0,
        causal=causal, window_size=window, logits_soft_cap=cap, q_descale=None,
    )  # fmt: skip
    for one, (count, _) in enumerate(sizes):
        mine = slice(int(starts[one]), int(starts[one + 1]))
        sees = exact.behind(count, lengths[one], window, causal)
        exact.close(out[mine], exact.attention(q[mine], *pool.of(one), sees, pools.SIZE**-0.5, cap)[0])
    assert told == []


def test_entries_behind_the_indices_are_told_and_read_as_slot_0() -> None:
    pool, told = pools.pool(1, [3, 2]), list[Stray]()
    q = pools.queries(1, 2)
    short = torch.tensor(pool.slots(0) + pool.slots(1)[:1], dtype=torch.int32)
    out = decode(pool, q, told, kv_page_indices=short)
    (stray,) = told
    assert (stray.kind, stray.buffer, stray.numel, stray.elements) == ("oob-read", "kv_indices", 4, (4,))
    assert stray.kernel == "paged_attention_ragged"
    rows = torch.tensor([pool.slots(1)[0], 0])
    keys, values = (one.flatten(0, 1)[rows] for one in (pool.keys, pool.values))
    due, _ = exact.attention(q[1:], keys, values, exact.behind(1, 2), pools.SIZE**-0.5)
    exact.close(out[1:], due)


def test_slots_that_the_pool_lacks_are_told() -> None:
    pool, told = pools.pool(2, [3]), list[Stray]()
    wild = torch.tensor([pool.slots(0)[0], -1, 70], dtype=torch.int32)
    decode(pool, pools.queries(2, 1), told, kv_page_indices=wild)
    (stray,) = told
    assert (stray.kind, stray.buffer, stray.numel) == ("index-range", "k_cache", pool.keys.shape[0])
    assert stray.elements == (-1, 70)


@pytest.mark.parametrize(
    "changed", [{"block_size": 16}, {"kv_cache_dtype": "fp8_e4m3"}, {"kv_cache_layout": "HND"}]
)
def test_another_layout_is_refused_and_not_computed_as_if_it_were_this_one(changed: dict[str, Any]) -> None:
    with pytest.raises(StandInMisused, match="paged_attention_ragged"):
        decode(pools.pool(3, [2]), pools.queries(3, 1), [], **changed)


def test_what_a_prefill_does_not_know_is_refused() -> None:
    pool = pools.pool(4, [2])
    one, indices = pools.prefix_sums([2]), torch.tensor(pool.slots(0), dtype=torch.int32)
    with pytest.raises(StandInMisused, match="sink_ptr"):
        Aiter(list[Stray]().append).mha_batch_prefill_func(
            pools.queries(4, 2), pool.keys, pool.values, one, one, indices, 2, 2, sink_ptr=torch.ones(4)
        )

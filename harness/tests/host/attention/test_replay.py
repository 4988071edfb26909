"""A reference as one node of a graph: what it computes from lengths and tables it computes anew each time."""

from __future__ import annotations

import torch

from harness.host.attention import Stray
from harness.host.attention.aiter import Aiter
from harness.host.attention.fa3 import Fa3
from harness.memory.graphs import CUDAGraph, graph, native
from harness.tests.host.attention import exact, pools


def test_a_decode_follows_its_pointers_and_slots() -> None:
    told, first, then = list[Stray](), pools.pool(1, [3, 2]), pools.pool(2, [2, 3])
    attend = native(Aiter(told.append).paged_attention_ragged)
    keys, values = torch.zeros(9, 1, 2, 8), torch.zeros(9, 1, 2, 8)
    indptr, indices = torch.zeros(3, dtype=torch.int32), torch.zeros(5, dtype=torch.int32)
    q, out, captured = pools.queries(1, 2), torch.zeros(2, 4, 8), CUDAGraph()
    rest = (torch.ones(2), 1, 1, None, "auto", "NHD", 0.0, None, None)
    with graph(captured):
        attend(out, torch.empty(0), q, keys, values, 0.3, indptr, indices, *rest)
    for pool in (first, then):
        keys[: len(pool.keys)], values[: len(pool.values)] = pool.keys, pool.values
        indptr.copy_(pools.prefix_sums(pool.lengths))
        indices.copy_(torch.tensor([*pool.slots(0), *pool.slots(1)]))
        captured.replay()
        for one, length in enumerate(pool.lengths):
            mine = slice(one, one + 1)
            exact.close(out[mine], exact.attention(q[mine], *pool.of(one), exact.behind(1, length), 0.3)[0])
    assert told == [] and captured.recording and len(captured.recording.nodes) == 1


def test_what_it_returns_is_memory_of_the_graphs() -> None:
    told, pool = list[Stray](), pools.pool(3, [4], page=2)
    attend = native(Fa3(told.append).flash_attn_with_kvcache)
    q, lengths, captured = pools.queries(3, 1), torch.tensor([4], dtype=torch.int32), CUDAGraph()
    table, starts = pools.page_table(pool), pools.prefix_sums([1])
    with graph(captured):
        out = attend(
            q,
            pool.keys,
            pool.values,
            cache_seqlens=lengths,
            page_table=table,
            cu_seqlens_q=starts,
            softmax_scale=0.3,
        )
    assert isinstance(out, torch.Tensor)
    for length in (4, 1):
        lengths.fill_(length)
        captured.replay()
        keys, values = (one[:length] for one in pool.of(0))
        exact.close(out, exact.attention(q, keys, values, exact.behind(1, length), 0.3)[0])
    assert told == []

"""A batch through upstream's aiter backend, up to what it hands to aiter, whose code is native."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from reproducers.rigs.aiter import batch as aiter_batch
from reproducers.rigs.aiter import rig as aiter

PREFILL = "mha_batch_prefill_func"
DECODE = {"unified": "unified_attention", "mha": "paged_attention_ragged"}
"""What aiter's attention is called, by how the backend decodes."""

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of a call, by place and by name."""

_HEAD_DIM = 8


@contextmanager
def handed_over(name: str) -> Iterator[list[Call]]:
    """Stand in for one of aiter's functions; yields the arguments of each call. It computes zeros."""
    import torch

    module: Any = importlib.import_module(aiter.MODULE)
    calls: list[Call] = []

    def record(*args: Any, **named: Any) -> Any:
        calls.append((args, named))
        return torch.zeros_like(named["q"] if "q" in named else args[0])

    absent = object()
    before = getattr(module, name, absent)
    setattr(module, name, record)
    try:
        yield calls
    finally:
        delattr(module, name) if before is absent else setattr(module, name, before)


def layer(rig: aiter.Rig, **facts: Any) -> Any:
    """A layer of one head, as upstream's RadixAttention describes itself."""
    known = dict(
        layer_id=0, tp_q_head_num=1, tp_k_head_num=1, tp_v_head_num=1, qk_head_dim=_HEAD_DIM,
        v_head_dim=_HEAD_DIM, head_dim=_HEAD_DIM, scaling=_HEAD_DIM**-0.5, logit_cap=0.0,
        sliding_window_size=None, is_cross_attention=False,
        k_scale=None, v_scale=None, k_scale_float=None, v_scale_float=None,
    )  # fmt: skip
    return rig.lab.stand_in("layer", **{**known, **facts})


def prefill(rig: aiter.Rig, rows: Sequence[int], seq_lens: Sequence[int], prefix: int) -> tuple[Any, ...]:
    """Plan and compute a prefill without a graph, `prefix` tokens of each sequence being there already.

    Returns what aiter's kernel is given: queries, keys, values, `cu_seqlens_q`, and what follows.
    """
    import torch

    batch = _batch(rows, seq_lens, prefix)
    batch.token_to_kv_pool = rig.allocator.get_kvcache()  # up to 0.5.22 that is where the layer stores
    tokens = sum(seq_lens) - prefix * len(seq_lens)
    queries, keys = torch.zeros(tokens, _HEAD_DIM), torch.zeros(tokens, 1, _HEAD_DIM)
    with handed_over(PREFILL) as calls:
        with rig.lab.observe("plan"):
            rig.backend.init_forward_metadata(batch)
        with rig.lab.observe("prefill"):
            rig.backend.forward_extend(queries, keys, keys.clone(), layer(rig), batch)
    ((args, _),) = calls
    return args


def decode(rig: aiter.Rig, rows: Sequence[int], seq_lens: Sequence[int], **facts: Any) -> tuple[str, Call]:
    """Plan and compute one token of each sequence without a graph, in a layer with these facts.

    Returns which of aiter's functions is called, and what it is given.
    """
    import torch

    batch = aiter_batch.batch("decode", rows, seq_lens, 1, None)
    batch.token_to_kv_pool = rig.allocator.get_kvcache()
    queries, keys = torch.zeros(len(rows), _HEAD_DIM), torch.zeros(len(rows), 1, _HEAD_DIM)
    with handed_over(DECODE["unified"]) as unified, handed_over(DECODE["mha"]) as ragged:
        with rig.lab.observe("plan"):
            rig.backend.init_forward_metadata(batch)
        with rig.lab.observe("decode"):
            rig.backend.forward_decode(queries, keys, keys.clone(), layer(rig, **facts), batch)
    (call,) = [*unified, *ragged]
    return DECODE["unified" if unified else "mha"], call


def _batch(rows: Sequence[int], seq_lens: Sequence[int], prefix: int) -> Any:
    import torch
    from sglang.srt.model_executor.forward_batch_info import ForwardBatch, ForwardMode

    lengths = torch.tensor(seq_lens, dtype=torch.int64)
    extended = [length - prefix for length in seq_lens]
    made = ForwardBatch(
        forward_mode=ForwardMode.EXTEND,
        batch_size=len(rows),
        input_ids=torch.zeros(sum(extended), dtype=torch.int64),
        req_pool_indices=torch.tensor(rows, dtype=torch.int64),
        seq_lens=lengths,
        out_cache_loc=torch.arange(1, sum(extended) + 1),
        seq_lens_sum=int(lengths.sum()),
    )
    made.seq_lens_cpu = lengths.clone()
    made.extend_seq_lens = torch.tensor(extended, dtype=torch.int32)
    made.extend_prefix_lens = torch.full((len(rows),), prefix, dtype=torch.int32)
    made.extend_seq_lens_cpu, made.extend_prefix_lens_cpu = extended, [prefix] * len(rows)
    made.extend_no_prefix = not prefix
    made.extend_num_tokens = sum(extended)
    made.spec_info = None
    return made

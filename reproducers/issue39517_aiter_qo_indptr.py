"""#39517: since #22598 aiter's prefills compute no query where a graph is for more requests than the pool.

The fix of #22598 makes the backend's index pointers anew where a graph is captured for more requests than the
pool has. What plans a prefill took the first ones when it was made and goes on filling those, while the
prefill handed the new ones to aiter: zeros, so that no query token belongs to any request, nothing is
computed, and every answer is wrong from its first token on. Nothing raises. The fix hands over the pointers
that the plan has filled. Up to 0.5.22 the published release is the faulty code.

aiter is native code: what it is given is what this case looks at, and aiter itself is not run.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from harness.errors import BadInput
from harness.facts import (
    Bug,
    Expect,
    Grid,
    Integer,
    Integers,
    KernelCase,
    KernelLab,
    Lists,
    Params,
    ReportedServer,
    Reproducer,
    Revert,
    Tolerance,
    edit,
    faults,
    watch,
)
from reproducers.rigs.aiter import handed
from reproducers.rigs.aiter import rig as aiter
from reproducers.rigs.servers import TWO_BATCHES_OF_EIGHT, on_rocm, one_request

CU_SEQLENS_Q = "cu_seqlens_q"
_CONTEXT_LEN = 64


def prefill_after_capture(
    lab: KernelLab, *, pool_size: int, max_bs: int, seq_lens: tuple[int, ...], prefix: int
) -> Mapping[str, Any]:
    """Size the buffers of graphs for `max_bs` requests, then prefill these: what aiter is given."""
    facts: dict[str, Any] = dict(context_len=_CONTEXT_LEN, page_size=1, attention="mha")
    with aiter.rig(lab, pool_size=pool_size, mode="decode", **facts) as rig:
        aiter.init_graph_state(rig, max_bs)
        rows = aiter.admit(rig, seq_lens)
        _, _, _, cu_seqlens_q, kv_indptr, *_ = handed.prefill(rig, rows, seq_lens, prefix)
        return {CU_SEQLENS_Q: cu_seqlens_q.clone(), "kv_indptr": kv_indptr.clone()}


def expected(*, pool_size: int, max_bs: int, seq_lens: tuple[int, ...], prefix: int) -> Mapping[str, Any]:
    """Where the queries and the tokens of each sequence begin, and where the last one's end."""
    queries = [0, *accumulate(length - prefix for length in seq_lens)]
    return {CU_SEQLENS_Q: queries, "kv_indptr": [0, *accumulate(seq_lens)]}


def refuse(params: Params) -> None:
    lengths, pool, prefix = params["seq_lens"], params["pool_size"], params["prefix"]
    if len(lengths) > pool:
        raise BadInput(f"seq_lens: {len(lengths)} requests are more than pool_size {pool}: raise it")
    if max(lengths) > _CONTEXT_LEN:
        raise BadInput(f"seq_lens: {max(lengths)} is more than a context of {_CONTEXT_LEN}: lower it")
    if min(lengths) <= prefix:
        raise BadInput(f"prefix: a prompt of {min(lengths)} tokens has none left to compute: lower it")


def is_padded(params: Params) -> bool:
    """Whether a graph is for more requests than the pool has."""
    return bool(params["max_bs"] > params["pool_size"])


REPRODUCER = Reproducer(
    bug=Bug(
        issue=39517,
        introduced_in="0.5.11",
        fixed_in="0.5.23",
        symptom="aiter under two-batch overlap: every answer is wrong from its first token on",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="deepseek-ai/DeepSeek-V3",
        launches=on_rocm({"attention-backend": "aiter", **TWO_BATCHES_OF_EIGHT}),
        client=one_request('\'{"text": "The capital of France is", "sampling_params": {"temperature": 0}}\''),
        expect="an answer that has nothing to do with the prompt",
    ),
    revert=Revert(
        edit(
            in_function="AiterAttnBackend.init_forward_metadata",
            replace="self.indices_updater_prefill.qo_indptr[: bs + 1]",
            by="self.qo_indptr[: bs + 1]",
        )
    ),
    kernel=KernelCase(
        call=prefill_after_capture,
        check=refuse,
        imports=(aiter.MODULE,),
        ahead=aiter.AHEAD,
        params={
            "pool_size": Integer(5, sweep=(1, 2, 5)),
            "max_bs": Integer(6, sweep=(1, 2, 5, 6, 8)),
            "seq_lens": Integers((8, 5, 3), sweep=Lists(lengths=(1, 2, 3), values=(1, 3, 8))),
            "prefix": Integer(0, minimum=0, sweep=(0, 2)),
        },
        grid=Grid(max_bs=[4, 5, 6, 8], seq_lens=[(8, 5, 3), (8,)], prefix=[0, 2]),
        watch=watch("wrong-value", "oob-read", "oob-write"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="boundaries are whole numbers"),
        seconds=300.0,
    ),
    expect=Expect(reverted=faults("wrong-value", buffer=CU_SEQLENS_Q, only=is_padded)),
)

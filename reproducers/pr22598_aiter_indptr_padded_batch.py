"""#22598: aiter's index-pointer buffers are sized from the request pool, not the padded batch.

Under two-batch overlap the batch sizes to capture are padded to an even number, so that the
largest can be one more than the request pool holds (since #20978). The index pointers were
allocated for the pool: capture and replay of the padded batch raise a size mismatch, or slice
a buffer that is too short without a word. The fix reallocates them for the padded batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.facts import (
    Bug,
    Choice,
    CpuGraphs,
    Expect,
    Grid,
    Integer,
    KernelCase,
    KernelLab,
    Params,
    ReportedServer,
    Reproducer,
    Revert,
    edit,
    faults,
    watch,
)
from reproducers.rigs import capture_sizes
from reproducers.rigs.aiter import buffers as aiter_buffers
from reproducers.rigs.aiter import draft as aiter_draft
from reproducers.rigs.aiter import rig as aiter
from reproducers.rigs.servers import (
    MEMORY,
    TWO_BATCHES_OF_EIGHT,
    TWO_RANKS,
    on_rocm,
    random_load,
    served,
    two_batch_traffic,
    with_graphs,
)

CONTEXT_LEN = 64
SEQ_LEN = 8


def capture_padded_batch(
    lab: KernelLab, *, pool_size: int, max_bs: int, mode: str, attention: str, topk: int
) -> Mapping[str, Any]:
    """Capture a graph of `max_bs` requests, then replay it with a full pool, padded."""
    captured = capture_sizes.under_two_batch_overlap(lab, pool_size)
    lab.note(f"for a pool of {pool_size} under two-batch overlap upstream captures {captured}")
    if max_bs > pool_size and not capture_sizes.exceed_the_pool(lab):
        lab.note(f"this release captures no batch larger than the pool: {pool_size} requests, not {max_bs}")
        max_bs = pool_size
    facts: dict[str, Any] = dict(context_len=CONTEXT_LEN, page_size=1, attention=attention)
    if mode == aiter_draft.MODE:
        return _draft(lab, pool_size, max_bs, topk, facts) | {"capture_sizes": captured}
    return _target(lab, pool_size, max_bs, mode, facts) | {"capture_sizes": captured}


def _target(lab: KernelLab, pool_size: int, max_bs: int, mode: str, facts: dict[str, Any]) -> dict[str, Any]:
    requests = min(pool_size, max_bs)
    with aiter.rig(lab, pool_size=pool_size, mode=mode, **facts) as rig:
        aiter.init_graph_state(rig, max_bs)
        aiter_buffers.require_pointers(lab, rig.backend, max_bs, mode=mode, attention=facts["attention"])
        if (mode, facts["attention"]) == ("decode", "mha"):
            aiter_buffers.require_paged_decode(lab, rig.backend, pool_size=pool_size, sequences=max_bs)
        rows = aiter.admit(rig, [SEQ_LEN] * requests)
        aiter.capture(rig, max_bs, max_bs)
        aiter.replay(rig, rows, [SEQ_LEN] * requests, bs=max_bs, max_bs=max_bs)
        # Unified attention plans with pointers in 0.5.11 and with a page table later: no output of the fix.
        return {} if facts["attention"] == "unified" else _pointers(rig.backend.forward_metadata)


def _draft(lab: KernelLab, pool_size: int, max_bs: int, topk: int, facts: dict[str, Any]) -> dict[str, Any]:
    seq_lens = [SEQ_LEN] * min(pool_size, max_bs)
    with aiter_draft.rig(lab, pool_size=pool_size, topk=topk, **facts) as draft:
        aiter_draft.init_graph_state(draft, max_bs)
        aiter_draft.require(
            draft, pool_size=pool_size, max_bs=max_bs, seq_lens=seq_lens, attention=facts["attention"]
        )
        rows = aiter.seat(
            draft.req_to_token, draft.allocator, [SEQ_LEN + topk * aiter_draft.STEPS] * len(seq_lens)
        )
        aiter_draft.capture(draft, max_bs)
        aiter_draft.replay(draft, rows, seq_lens, max_bs)
        return _pointers(draft.steps[0].forward_metadata)


def _pointers(metadata: Any) -> dict[str, Any]:
    """The index pointers of the last plan; 0.5.9 has no mask in its metadata."""
    return {name: getattr(metadata, name, None) for name in ("kv_indptr", "qo_indptr", "mask_indptr")}


def padded(params: Params) -> bool:
    """Whether the batch is larger than the pool, and one of the pointers that were made for it is used."""
    return bool(params["max_bs"] > params["pool_size"] and _used(params))


def _used(params: Params) -> bool:
    """The pointers in use: a draft's steps take all but MLA's query pointers from the draft's backend."""
    return bool(params["mode"] != aiter_draft.MODE or params["attention"] == "mla")


SILENT = watch(*(MEMORY.kinds - {"wrong-value"}))
"""Answers are wrong with the fix as well, which is a finding (docs/findings.md) and none of this bug."""

REPRODUCER = Reproducer(
    bug=Bug(
        pr=22598,
        introduced_in="0.5.10",
        fixed_in="0.5.11",
        symptom="size mismatch while capturing or replaying a padded batch under two-batch overlap",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="deepseek-ai/DeepSeek-V3",
        launches=on_rocm({"attention-backend": "aiter", **TWO_BATCHES_OF_EIGHT}),
        client=random_load(1024, 128, prompts=80, at_once=40),
        expect=(
            "dies while capturing CUDA graphs: the size of a tensor must match, "
            "6 against 5 with five requests a rank"
        ),
    ),
    revert=Revert(
        edit(
            in_function="AiterAttnBackend.init_cuda_graph_state",
            remove="if max_bs + 1 > self.kv_indptr.shape[0]: ...",
        ),
    ),
    kernel=KernelCase(
        call=capture_padded_batch,
        imports=(aiter.MODULE,),
        ahead=aiter.AHEAD,
        params={
            "pool_size": Integer(5, sweep=range(1, 9)),
            "max_bs": Integer(6, sweep=range(1, 11)),
            "mode": Choice("decode", (*aiter.MODES, aiter_draft.MODE)),
            "attention": Choice("mha", aiter.ATTENTION),
            "topk": Integer(1, sweep=(1, 2, 4)),
        },
        grid=Grid(max_bs=[4, 6], mode=aiter.MODES, attention=aiter.ATTENTION),
        watch=watch("short-buffer", "exception", buffers=aiter_buffers.POINTERS),
    ),
    server=served(
        "tiny-qwen3",
        ranks=2,
        requires=frozenset({"rocm", "aiter"}),
        flags={
            "attention-backend": "aiter",
            "page-size": "16",
            "dp-size": "2",
            "enable-dp-attention": "",
            "enable-two-batch-overlap": "",
            "disable-custom-all-reduce": "",
            "max-running-requests": "10",
        },
        on=with_graphs(),
        environment=TWO_RANKS,
        graphs=CpuGraphs(
            sizes=(4, 6),
            attention="aiter",
            traffic=two_batch_traffic(requests=10, output_tokens=3),
        ),
        traffic=two_batch_traffic(requests=20, output_tokens=16),
        watch=SILENT,
        answers_bind=False,
        ready_seconds=200.0,
    ),
    expect=Expect(
        reverted=faults(
            "short-buffer",
            buffer="kv_indptr",
            only=padded,
            # 0.5.11 copies there, and raises; later releases take a view that ends too early.
            varies={"mode": ["decode"], "attention": ["unified"]},
        ),
        server=faults("exception"),  # while the graphs are captured
    ),
)

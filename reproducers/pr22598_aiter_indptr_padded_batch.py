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
    Expect,
    Grid,
    Integer,
    KernelCase,
    Launch,
    Params,
    ReportedServer,
    Reproducer,
    Revert,
    edit,
    faults,
    watch,
)
from reproducers.rigs import aiter, capture_sizes

CONTEXT_LEN = 64
SEQ_LEN = 8
WATCHED = ("kv_indptr", "qo_indptr", "mask_indptr", "qo_indptr_")
SIBLINGS = ("qo_indptr_unified_decode",)
"""Other buffers that hold one entry per request and one more."""


def capture_padded_batch(lab: Any, *, pool_size: int, max_bs: int, mode: str, attention: str) -> Mapping[str, Any]:
    """Capture a graph of `max_bs` requests, then replay it with a full pool, padded."""
    captured = capture_sizes.under_two_batch_overlap(lab, pool_size)
    lab.note(f"for a pool of {pool_size} under two-batch overlap upstream captures {captured}")
    if max_bs > pool_size and not capture_sizes.exceed_the_pool(lab):
        lab.note(f"this release captures no batch larger than the pool: {pool_size} requests, not {max_bs}")
        max_bs = pool_size
    facts = dict(context_len=CONTEXT_LEN, page_size=1, mode=mode, attention=attention)
    with aiter.rig(lab, pool_size=pool_size, **facts) as rig:
        aiter.init_graph_state(rig, max_bs)
        _require_pointers(lab, rig.backend, max_bs)
        requests = min(pool_size, max_bs)
        rows = aiter.admit(rig, [SEQ_LEN] * requests)
        aiter.capture(rig, max_bs, max_bs)
        aiter.replay(rig, rows, [SEQ_LEN] * requests, bs=max_bs, max_bs=max_bs)
        metadata = rig.backend.forward_metadata
        pointers = ("kv_indptr", "qo_indptr", "mask_indptr")  # 0.5.9 has no mask in its metadata
        return {name: getattr(metadata, name, None) for name in pointers} | {"capture_sizes": captured}


def _require_pointers(lab: Any, backend: Any, max_bs: int) -> None:
    for name in (*WATCHED, *SIBLINGS):
        if hasattr(backend, name):
            lab.require(name, getattr(backend, name), needed=max_bs + 1)


def padded(params: Params) -> bool:
    return bool(params["max_bs"] > params["pool_size"])


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
        launches=(
            Launch(
                platform="rocm",
                flags={"attention-backend": "aiter", "tp": "8", "dp": "8", "enable-dp-attention": "",
                       "enable-two-batch-overlap": "", "moe-a2a-backend": "deepep", "max-running-requests": "40"},
            ),
            Launch(
                platform="cuda",
                flags={"attention-backend": "triton", "tp": "8", "dp": "8", "enable-dp-attention": "",
                       "enable-two-batch-overlap": "", "moe-a2a-backend": "deepep", "max-running-requests": "40"},
                note="the nearest there is: aiter is for AMD, so the bug cannot show",
            ),
        ),
        client=(
            "python3 -m sglang.bench_serving --backend sglang --dataset-name random --random-input-len 1024 "
            "--random-output-len 128 --num-prompts 80 --max-concurrency 40"
        ),
        expect="dies while capturing CUDA graphs: the size of a tensor must match, 6 against 5 with five requests a rank",
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
        params={
            "pool_size": Integer(5),
            "max_bs": Integer(6),
            "mode": Choice("decode", aiter.MODES),
            "attention": Choice("mha", aiter.ATTENTION),
        },
        grid=Grid(max_bs=[4, 6], mode=aiter.MODES, attention=aiter.ATTENTION),
        watch=watch("short-buffer", "exception", buffers=WATCHED),
    ),
    expect=Expect(reverted=faults("short-buffer", buffer="kv_indptr", only=padded)),
)

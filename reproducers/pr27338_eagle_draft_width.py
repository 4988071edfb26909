"""#27338: EAGLE's draft fills a buffer of KV indices that has no room for its branches.

Each step of a draft gets a row of KV indices, in which every one of the top-k branches of a request
repeats the request's tokens. FlashInfer's CUDA-graph buffer had room for the requests alone, without the
factor top-k, so that long enough prompts wrote past their step's row, and at the last step past the buffer,
silently. #27460 is the same in FlashInfer's MLA back end. The fix has one function for the width
of such a row, which every back end asks, and a guard in FlashInfer's two. With the function's factor lost
it is also Triton's buffers that are too short, and those of batches that run without a graph: both were
right in the affected releases, where the default point, FlashInfer's graph, is the bug as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.facts import (
    Bug,
    Choice,
    Expect,
    Fences,
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
    Traffic,
    edit,
    faults,
    watch,
)
from reproducers.rigs import drafts, paging
from reproducers.rigs.servers import EAGLE3, HOSTS, LLAMA_DRAFT, on_cuda, random_load, served

GRAPH = "cuda_graph_kv_indices"
KERNEL = "generate_draft_decode_kv_indices"


def plan_draft(
    lab: KernelLab,
    *,
    attention: str,
    path: str,
    topk: int,
    num_steps: int,
    page_size: int,
    context_len: int,
    max_bs: int,
    seq_lens: tuple[int, ...],
) -> Mapping[str, Any]:
    """Plan the draft of these requests, in the buffer of a graph of `max_bs` or in one of their own."""
    sizes = dict(page_size=page_size, context_len=context_len, max_bs=max_bs)
    draft = drafts.rig(lab, attention, topk=topk, num_steps=num_steps, **sizes)
    used, width = drafts.used(topk, num_steps, seq_lens), (max_bs if path == "graph" else len(seq_lens))
    lab.note(f"the last step fills {used} entries of a row; requests alone have {width * context_len}")
    indices = draft.replay(seq_lens) if path == "graph" else draft.plan(seq_lens)
    return {"lengths": [len(step) for step in indices]}


def refuse(params: Params) -> None:
    paging.refuse(params["page_size"])
    drafts.refuse(params["num_steps"], params["context_len"], params["max_bs"], params["seq_lens"])


def overflows(params: Params) -> bool:
    """Whether the last step fills more than the requests have without their branches."""
    requests = params["max_bs"] if params["path"] == "graph" else len(params["seq_lens"])
    used = drafts.used(params["topk"], params["num_steps"], params["seq_lens"])
    return bool(used > requests * params["context_len"])


_REPORTED = {**EAGLE3, **LLAMA_DRAFT}

REPRODUCER = Reproducer(
    bug=Bug(
        pr=27338,
        also=(27460,),
        fixed_in="0.5.13",
        symptom="EAGLE with top-k above 1 on FlashInfer: illegal access or wrong drafts for long prompts",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="meta-llama/Llama-3.1-8B-Instruct",
        launches=on_cuda(
            {**_REPORTED, "attention-backend": "flashinfer"},
            rocm={**_REPORTED, "attention-backend": "triton"},
            note="FlashInfer has no ROCm build, and Triton's buffer was right in the affected releases",
        ),
        client=random_load(16384, 256, prompts=64, at_once=16),
        expect="an illegal memory access once a batch's prompts fill a top-k'th of its context",
    ),
    revert=Revert(
        edit(
            in_function="draft_kv_indices_buffer_width",
            replace="return num_seqs * topk * max_context_len",
            by="return num_seqs * max_context_len",
        ),
        # The guards came with the fix: left in place they would turn the silent writes into assertions.
        edit(in_function="FlashInferMultiStepDraftBackend.common_template", remove="assert_buffer_fits(...)"),
        edit(
            in_function="FlashInferMLAMultiStepDraftBackend.common_template", remove="assert_buffer_fits(...)"
        ),
    ),
    formerly=("FlashInferMultiStepDraftBackend.init_cuda_graph_state",),  # up to 0.5.12.post1
    kernel=KernelCase(
        call=plan_draft,
        check=refuse,
        imports=drafts.IMPORTS,
        stand_ins=("sgl_kernel",),
        pretends="cuda",
        emulated=("gfx942", "gfx950"),
        params={
            "attention": Choice("flashinfer", tuple(drafts.BACKENDS)),
            "path": Choice("graph", ("graph", "eager")),
            "topk": Integer(4, sweep=(1, 2, 4, 8)),
            "num_steps": Integer(3, sweep=(2, 3, 5)),
            "page_size": Integer(1, sweep=(1, 4, 16)),
            "context_len": Integer(128, sweep=(64, 128)),
            "max_bs": Integer(2, sweep=(1, 2, 3)),
            "seq_lens": Integers((100, 80), sweep=Lists(lengths=(1, 2), values=(7, 20, 60, 61))),
        },
        # Half of the entries of one request are too many for one alone, and not for a graph of two.
        grid=Grid(
            attention=list(drafts.BACKENDS),
            path=["graph", "eager"],
            topk=[1, 4],
            seq_lens=[(100, 80), (60,), (20, 9)],
        ),
        watch=watch("oob-write", "oob-read", buffers=drafts.BUFFERS),
    ),
    # On a CPU each batch has a buffer of its own, Triton's; on an H200 or the like FlashInfer's graph.
    server=served(
        "tiny-llama-eagle3",
        flags={**EAGLE3, "attention-backend": "triton", "page-size": "1"},
        on={**HOSTS, "cuda": {**HOSTS["cuda"], "attention-backend": "flashinfer", "context-length": "512"}},
        fences=Fences(only=frozenset({GRAPH})),
        traffic=Traffic(seed=27338, requests=2, prompt_tokens=(80, 120), output_tokens=6, concurrency=2),
        watch=watch("oob-write", buffers=drafts.BUFFERS),
    ),
    expect=Expect(
        reverted=faults("oob-write", buffer=GRAPH, kernel=KERNEL, only=overflows),
        server=faults("oob-write", buffer="kv_indices_buffer"),
        device=faults("oob-write", buffer=GRAPH),
    ),
)

"""#24587: aiter's CUDA-graph kv_indices are sized in pages but filled with one entry a token.

With page_size above 1 the buffer that a graph replays from holds one entry per page of context,
while the kernel that fills it writes one per token. As soon as the sequence lengths of a batch
add up to more than the buffer holds, replay writes past its end, silently. Capture is harmless,
since its dummy sequences are short, and so is page_size 1. Unified attention decodes from a page
table, but its speculative modes still fill kv_indices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import BadInput
from harness.facts import (
    Bug,
    Choice,
    CpuGraphs,
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
    Traffic,
    edit,
    faults,
    watch,
)
from reproducers.rigs.aiter import buffers as aiter_buffers
from reproducers.rigs.aiter import draft as aiter_draft
from reproducers.rigs.aiter import rig as aiter
from reproducers.rigs.servers import (
    MEMORY,
    on_rocm,
    random_load,
    served,
    with_graphs,
)


def replay_long_sequences(
    lab: KernelLab,
    *,
    page_size: int,
    context_len: int,
    max_bs: int,
    seq_lens: tuple[int, ...],
    mode: str,
    attention: str,
    topk: int,
) -> Mapping[str, Any]:
    """Capture the largest graph and the batch's own, then replay the batch."""
    facts: dict[str, Any] = dict(context_len=context_len, page_size=page_size, attention=attention)
    if mode == aiter_draft.MODE:
        return _draft(lab, max_bs, seq_lens, topk, facts)
    with aiter.rig(lab, pool_size=max_bs, mode=mode, **facts) as rig:
        aiter.init_graph_state(rig, max_bs)
        buffer = rig.backend.cuda_graph_kv_indices
        written = tokens_written(dict(facts, max_bs=max_bs, seq_lens=seq_lens, mode=mode))
        lab.note(f"cuda_graph_kv_indices holds {buffer.numel()} entries; this batch fills {written}")
        if mode == "target_verify":
            aiter_buffers.require_mask(lab, rig.backend, seq_lens, rig.draft_tokens)
        rows = aiter.admit(rig, seq_lens)
        for bs in sorted({len(seq_lens), max_bs}, reverse=True):
            aiter.capture(rig, bs, max_bs)
        aiter.replay(rig, rows, seq_lens, bs=len(seq_lens), max_bs=max_bs)
        return _outputs(rig, len(seq_lens), buffer)


def _draft(
    lab: KernelLab, max_bs: int, seq_lens: tuple[int, ...], topk: int, facts: dict[str, Any]
) -> dict[str, Any]:
    """The draft's own steps: they are given a buffer that is sized by tokens, in every release."""
    lab.note("the steps of a draft fill a buffer of the draft's, which never was sized in pages")
    with aiter_draft.rig(lab, pool_size=max_bs, topk=topk, **facts) as draft:
        aiter_draft.init_graph_state(draft, max_bs)
        aiter_draft.require(
            draft, pool_size=max_bs, max_bs=max_bs, seq_lens=seq_lens, attention=facts["attention"]
        )
        span = topk * (aiter_draft.STEPS + 2 * facts["page_size"])
        rows = aiter.seat(draft.req_to_token, draft.allocator, [length + span for length in seq_lens])
        aiter_draft.capture(draft, max_bs)
        aiter_draft.replay(draft, rows, seq_lens, len(seq_lens))
        return {
            "kv_indptr": draft.backend.kv_indptr,
            "cuda_graph_kv_indices": list(draft.backend.cuda_graph_kv_indices.shape),
        }


def _outputs(rig: aiter.Rig, bs: int, buffer: Any) -> dict[str, Any]:
    metadata = rig.backend.forward_metadata
    indices = metadata.kv_indices
    shown = indices[:bs] if indices.dim() == 2 else indices
    outputs = {"kv_indptr": metadata.kv_indptr, "kv_indices": shown, "max_kv_len": metadata.max_kv_len}
    return outputs | {"cuda_graph_kv_indices": list(buffer.shape)}


def check(params: Params) -> None:
    """At most max_bs sequences, none longer than the context, which holds a dummy and its draft."""
    seq_lens, max_bs, context_len = params["seq_lens"], params["max_bs"], params["context_len"]
    if len(seq_lens) > max_bs:
        raise BadInput(
            f"seq_lens: {len(seq_lens)} sequences do not fit max_bs {max_bs}: drop some or raise max_bs"
        )
    if params["mode"] != "decode" and context_len < 2 * aiter.DRAFT_TOKENS:
        raise BadInput(
            f"context_len: a dummy request and its draft take {2 * aiter.DRAFT_TOKENS} tokens, "
            f"more than {context_len}: raise it, or set mode=decode"
        )
    if max(seq_lens) > context_len:
        raise BadInput(
            f"seq_lens: {max(seq_lens)} is longer than context_len {context_len}: lower it or raise that"
        )


def tokens_written(params: Params) -> int:
    """Entries that the larger of capture and replay writes into cuda_graph_kv_indices."""
    if params["mode"] == aiter_draft.MODE or (params["attention"], params["mode"]) == ("unified", "decode"):
        return 0
    drafted = aiter.DRAFT_TOKENS if (params["mode"], params["attention"]) == ("target_verify", "mla") else 0
    dummy = 1 if params["mode"] == "decode" else aiter.DRAFT_TOKENS
    replayed: int = sum(params["seq_lens"]) + drafted * len(params["seq_lens"])
    captured: int = params["max_bs"] * (dummy + drafted)
    return max(replayed, captured)


def overflows(params: Params) -> bool:
    """Whether a buffer of one entry per page is too small for the batch."""
    pages: int = -(-params["context_len"] // params["page_size"])
    return bool(tokens_written(params) > params["max_bs"] * pages)


_SEQ_LENS = (1, 2, 3, 4, 6, 7, 8, 12, 15, 16, 17, 31, 33, 63, 64, 97, 100)
"""What a sweep makes its batches of: around whole pages and the ends of its contexts."""

REPRODUCER = Reproducer(
    bug=Bug(
        pr=24587,
        introduced_in="0.5.10",
        fixed_in="0.5.13",
        symptom=(
            "silent write past cuda_graph_kv_indices at graph replay; "
            "corrupted neighbours, wrong tokens, GPU faults"
        ),
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="meta-llama/Llama-3.1-8B-Instruct",
        launches=on_rocm({"attention-backend": "aiter", "page-size": "16", "cuda-graph-max-bs": "16"}),
        client=random_load(16384, 256, prompts=64, at_once=16),
        expect=(
            "a memory fault or wrong tokens once the batch's lengths add up to more than its pages; "
            "none at page size 1"
        ),
    ),
    revert=Revert(
        edit(
            in_function="AiterAttnBackend.init_cuda_graph_state",
            replace="buffer_numel = max_bs * (max_num_blocks_per_seq * self.page_size + draft_slack)",
            by="buffer_numel = max_bs * max_num_blocks_per_seq",
        ),
        # The guard came with the fix: left in place it would turn the silent write into an
        # assertion that no affected release had.
        edit(
            in_function="AiterAttnBackend._apply_cuda_graph_metadata",
            remove="assert_buffer_fits(...)",
        ),
    ),
    kernel=KernelCase(
        call=replay_long_sequences,
        imports=(aiter.MODULE,),
        ahead=aiter.AHEAD,
        emulated=("gfx942", "gfx950"),
        check=check,
        params={
            "page_size": Integer(16, sweep=(1, 2, 3, 8, 16, 32)),
            "context_len": Integer(64, sweep=(7, 16, 33, 64, 100)),
            "max_bs": Integer(4, sweep=(1, 2, 3, 4)),
            "seq_lens": Integers((64, 64, 64, 64), sweep=Lists(lengths=(1, 2, 3, 4), values=_SEQ_LENS)),
            "mode": Choice("decode", (*aiter.MODES, aiter_draft.MODE)),
            "attention": Choice("mha", aiter.ATTENTION),
            "topk": Integer(1, sweep=(1, 2, 4)),
        },
        grid=Grid(page_size=[1, 16], mode=aiter.MODES, attention=aiter.ATTENTION),
        watch=watch("oob-write", "oob-read", buffers=("cuda_graph_kv_indices",)),
    ),
    server=served(
        "tiny-llama",
        requires=frozenset({"rocm", "aiter"}),
        flags={"attention-backend": "aiter", "page-size": "16", "context-length": "256"},
        on=with_graphs(context_length="256"),
        # One request at a time: what a batch adds up to depends on nothing but the request then.
        graphs=CpuGraphs(
            sizes=(2,),
            attention="aiter",
            traffic=Traffic(seed=24587, requests=2, prompt_tokens=(60, 100), output_tokens=4),
        ),
        traffic=Traffic(seed=24587, requests=16, prompt_tokens=(180, 200), output_tokens=32, concurrency=8),
        watch=MEMORY,
    ),
    expect=Expect(
        reverted=faults(
            "oob-write",
            buffer="cuda_graph_kv_indices",
            kernel="create_flashinfer_kv_indices_triton",
            only=overflows,
        ),
        server=faults("oob-write", buffer="cuda_graph_kv_indices"),
    ),
)

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
    Expect,
    Grid,
    Integer,
    Integers,
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
from reproducers.rigs import aiter


def replay_long_sequences(
    lab: Any, *, page_size: int, context_len: int, max_bs: int, seq_lens: tuple[int, ...], mode: str, attention: str
) -> Mapping[str, Any]:
    """Capture the largest graph and the batch's own, then replay the batch."""
    facts = dict(context_len=context_len, page_size=page_size, mode=mode, attention=attention)
    with aiter.rig(lab, pool_size=max_bs, **facts) as rig:
        aiter.init_graph_state(rig, max_bs)
        buffer = rig.backend.cuda_graph_kv_indices
        written = tokens_written(facts | {"seq_lens": seq_lens})
        lab.note(f"cuda_graph_kv_indices holds {buffer.numel()} entries; this batch fills {written}")
        rows = aiter.admit(rig, seq_lens)
        for bs in sorted({len(seq_lens), max_bs}, reverse=True):
            aiter.capture(rig, bs, max_bs)
        aiter.replay(rig, rows, seq_lens, bs=len(seq_lens), max_bs=max_bs)
        return _outputs(rig, len(seq_lens), buffer)


def _outputs(rig: aiter.Rig, bs: int, buffer: Any) -> dict[str, Any]:
    metadata = rig.backend.forward_metadata
    indices = metadata.kv_indices
    shown = indices[:bs] if indices.dim() == 2 else indices
    outputs = {"kv_indptr": metadata.kv_indptr, "kv_indices": shown, "max_kv_len": metadata.max_kv_len}
    return outputs | {"cuda_graph_kv_indices": list(buffer.shape)}


def check(params: Params) -> None:
    """A batch has at most max_bs sequences, none of them longer than the context."""
    seq_lens, max_bs, context_len = params["seq_lens"], params["max_bs"], params["context_len"]
    if len(seq_lens) > max_bs:
        raise BadInput(f"seq_lens: {len(seq_lens)} sequences do not fit max_bs {max_bs}: drop some or raise max_bs")
    if max(seq_lens) > context_len:
        raise BadInput(f"seq_lens: {max(seq_lens)} is longer than context_len {context_len}: lower it or raise that")


def tokens_written(params: Params) -> int:
    """Entries that one replay writes into cuda_graph_kv_indices."""
    if params["attention"] == "unified" and params["mode"] == "decode":
        return 0
    drafted = aiter.DRAFT_TOKENS if (params["mode"], params["attention"]) == ("target_verify", "mla") else 0
    return sum(params["seq_lens"]) + drafted * len(params["seq_lens"])


def overflows(params: Params) -> bool:
    """Whether a buffer of one entry per page is too small for the batch."""
    pages = -(-params["context_len"] // params["page_size"])
    return tokens_written(params) > params["max_bs"] * pages


REPRODUCER = Reproducer(
    bug=Bug(
        pr=24587,
        introduced_in="0.5.10",
        fixed_in="0.5.13",
        symptom="silent write past cuda_graph_kv_indices at graph replay; corrupted neighbours, wrong tokens, GPU faults",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="meta-llama/Llama-3.1-8B-Instruct",
        launches=(
            Launch(platform="rocm", flags={"attention-backend": "aiter", "page-size": "16", "cuda-graph-max-bs": "16"}),
            Launch(
                platform="cuda",
                flags={"attention-backend": "triton", "page-size": "16", "cuda-graph-max-bs": "16"},
                note="the nearest there is: aiter is for AMD, so the bug cannot show",
            ),
        ),
        client=(
            "python3 -m sglang.bench_serving --backend sglang --dataset-name random --random-input-len 16384 "
            "--random-output-len 256 --num-prompts 64 --max-concurrency 16"
        ),
        expect="a memory fault or wrong tokens once the batch's lengths add up to more than its pages; none at page size 1",
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
        check=check,
        params={
            "page_size": Integer(16),
            "context_len": Integer(64),
            "max_bs": Integer(4),
            "seq_lens": Integers((64, 64, 64, 64)),
            "mode": Choice("decode", aiter.MODES),
            "attention": Choice("mha", aiter.ATTENTION),
        },
        grid=Grid(page_size=[1, 16], mode=aiter.MODES, attention=aiter.ATTENTION),
        watch=watch("oob-write", "oob-read", buffers=("cuda_graph_kv_indices",)),
    ),
    expect=Expect(
        reverted=faults(
            "oob-write",
            buffer="cuda_graph_kv_indices",
            kernel="create_flashinfer_kv_indices_triton",
            only=overflows,
        )
    ),
)

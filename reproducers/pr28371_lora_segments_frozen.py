"""#28371: a captured decode step goes on with as many LoRA segments as its capture had.

The csgmv back end sorts a batch's tokens by adapter and has its kernels run once for each segment of one
adapter. Their grid and the number of segments were Python's numbers, and so those of the capture, in which
no request has an adapter: one segment. At a replay the kernels did the first segment of the real batch and
left out the others, whose requests were answered without their adapter, silently. The fix launches as many
programs as the captured buffers have room for; segments that the batch has not got are empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import BadInput
from harness.facts import (
    Bug,
    Choice,
    Edit,
    Expect,
    Grid,
    Integers,
    KernelCase,
    KernelLab,
    Params,
    ReportedServer,
    Reproducer,
    Revert,
    Tolerance,
    edit,
    faults,
    watch,
)
from reproducers.rigs import lora
from reproducers.rigs.servers import on_both


def decode(lab: KernelLab, *, layer: str, adapters: tuple[int, ...], step: str) -> Mapping[str, Any]:
    """One layer's part of a decode step whose requests have these adapters (0: none).

    A replay is of a step that was captured without any adapter; a second one comes behind that of a batch
    with all of them.
    """
    with lora.rig(lab, layer, requests=len(adapters)) as rig:
        if step == "eager":
            return {"out": rig.step(adapters)}
        with lab.observe("capture"):
            captured = rig.captured()
        earlier = [lora.all_adapters(len(adapters))] if step == "second replay" else []
        for batch in (*earlier, adapters):
            with lab.observe("replay"):
                out = rig.replayed(captured, batch)
        return {"out": out}


def expected(*, layer: str, adapters: tuple[int, ...], step: str) -> Mapping[str, Any]:
    """Each request's row times its own adapter."""
    return {"out": lora.expected(layer, adapters)}


def refuse(params: Params) -> None:
    if max(params["adapters"]) >= lora.ADAPTERS:
        raise BadInput(f"adapters: {max(params['adapters'])} is none: the highest is {lora.ADAPTERS - 1}")


def segments_left_out(params: Params) -> bool:
    """Whether a segment with an adapter comes behind as many as a batch without adapters has."""
    adapters = params["adapters"]
    captured = len(lora.segments((0,) * len(adapters)))
    return params["step"] != "eager" and any(lora.segments(adapters)[captured:])


def _undone(function: str, kernel: str, count: str, as_it_was: str) -> tuple[Edit, Edit]:
    """The grid of a launch and its number of segments, as they were."""
    return (
        edit(
            in_function=function,
            replace="segment_grid = ANY",
            by="segment_grid = batch_info.bs if batch_info.use_cuda_graph else num_segments",
        ),
        edit(
            in_function=function,
            replace=f"{kernel}[ANY](..., {count})",
            by=f"{kernel}[grid](..., {as_it_was})",
        ),
    )


_BY_KEYWORD = ("num_segs=segment_grid", "num_segs=num_segments")
_FLAGS = {
    "enable-lora": "",
    "lora-backend": "csgmv",
    "max-loras-per-batch": "4",
    "lora-paths": "first=FIRST second=SECOND",
}

REPRODUCER = Reproducer(
    bug=Bug(
        pr=28371,
        also=(29157,),
        fixed_in="0.5.14",
        symptom="batches with several LoRA adapters: all but the first are answered by the base model",
    ),
    requires=frozenset({"torch", "triton"}),
    reported=ReportedServer(
        model="meta-llama/Llama-3.1-8B-Instruct",
        launches=on_both(_FLAGS),
        client=(
            "python3 -m sglang.bench_serving --backend sglang --dataset-name random --num-prompts 64 "
            "--lora-name first second"
        ),
        expect="answers without anything of their adapter, where requests with two adapters are decoded",
    ),
    revert=Revert(
        *_undone("chunked_sgmv_lora_shrink_forward", "_chunked_lora_shrink_kernel", *_BY_KEYWORD),
        *_undone("chunked_sgmv_lora_expand_forward", "_chunked_lora_expand_kernel", *_BY_KEYWORD),
        *_undone(
            "chunked_embedding_lora_a_forward",
            "_chunked_embedding_lora_a_kernel",
            "segment_grid, batch_info.permutation, ...",
            "num_segments, batch_info.permutation, ...",
        ),
    ),
    kernel=KernelCase(
        call=decode,
        check=refuse,
        graphs=True,
        imports=("sglang.srt.lora.backend.chunked_backend",),
        params={
            "layer": Choice("linear", lora.LAYERS),
            "adapters": Integers((2, 1, 0, 2), minimum=0),
            "step": Choice("replay", ("eager", "replay", "second replay")),
        },
        # Clean: one segment with an adapter, and two of one adapter, as captured.
        grid=Grid(
            layer=["linear", "embedding"],
            adapters=[(2, 1, 0, 2), (1, 1, 1, 1), (0, 0, 0, 1), (1,) * 20, (1,) * 17 + (2,) * 3],
            step=["eager", "replay", "second replay"],
        ),
        watch=watch("wrong-value", "nan", "oob-read", "oob-write"),
        reference=expected,
        tolerance=Tolerance(absolute=0, relative=0, reason="small whole numbers are exact in float32"),
    ),
    expect=Expect(reverted=faults("wrong-value", buffer="out", only=segments_left_out)),
)

"""#23596: get_last_loc stores int32 slots into an int64 result, which HIP was reported to miscompile.

The legacy kernel loads slots as int32 from req_to_token and stores them through the pointer of a
result that has the dtype of prefix_lens. Where that is int64, Triton widens each value just before
the store; its HIP back end was reported to get that wrong, so that EAGLE with page size above 1
continued from wild positions. The fix adds a kernel whose result stays int32, converts outside
Triton, and takes it under HIP for every attention backend that uses Triton.

The codegen tier compiles what the dispatcher would launch under HIP. That identifies the kernel;
it does not prove that an AMD GPU computes wrong values, which only one can show. The kernel tier
shows what differs on any platform: the legacy kernel finds a slot by a product in the narrowest
type of its arguments, which overflows for int32 indices and a large req_to_token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.facts import (
    Bug,
    Choice,
    CodegenCase,
    Expect,
    Grid,
    Integer,
    KernelCase,
    KernelLab,
    Lab,
    Launch,
    Params,
    ReportedServer,
    Reproducer,
    Revert,
    Tolerance,
    Traffic,
    edit,
    faults,
    form,
    watch,
)
from reproducers.rigs import last_loc
from reproducers.rigs.servers import EAGLE3, MEMORY, random_load, served

_DTYPES = Choice("int64", last_loc.DTYPES)
_NARROW = Choice("int32", last_loc.DTYPES)


def launch_under_dispatch(
    lab: Lab, *, prefix_lens: str, req_pool_indices: str, requests: int, context_len: int
) -> Mapping[str, Any]:
    """What upstream's dispatcher launches for a batch of `requests`."""
    lab.note(last_loc.callers(prefix_lens, req_pool_indices))
    table = last_loc.small_table(requests, context_len)
    with last_loc.dispatching(lab), lab.observe("get_last_loc"):
        last_loc.dispatch(
            table, list(range(requests)), [context_len] * requests, prefix_lens, req_pool_indices
        )
    return {}


def find_in_a_large_table(
    lab: KernelLab, *, prefix_lens: str, req_pool_indices: str, context_len: int, row: int, prefix_len: int
) -> Mapping[str, Any]:
    """The slot of a request's last token in a table of which only a few pages are really there."""
    with last_loc.sparse_table(lab, context_len, row, prefix_len) as req_to_token:
        with last_loc.dispatching(lab), lab.observe("get_last_loc"):
            slots = last_loc.dispatch(req_to_token, [1, row], [prefix_len] * 2, prefix_lens, req_pool_indices)
        lab.note(f"element {row * context_len + prefix_len - 1} of req_to_token; int32 ends at {2**31 - 1}")
        return {"last_loc": slots}


def right_slots(*, row: int, **_: Any) -> Mapping[str, Any]:
    """What the table was filled with."""
    return {"last_loc": [last_loc.slot_of(1), last_loc.slot_of(row)]}


def on_the_gpu(lab: KernelLab, *, prefix_lens: str, requests: int, context_len: int) -> Mapping[str, Any]:
    """What the kernel that upstream launches computes on the accelerator."""
    table = last_loc.small_table(requests, context_len, device="cuda")
    with last_loc.dispatching(lab), lab.observe("get_last_loc"):
        slots = last_loc.dispatch(
            table, list(range(requests)), [context_len] * requests, prefix_lens, "int64", device="cuda"
        )
    return {"last_loc": slots.cpu()}


def slots_of_all(*, requests: int, **_: Any) -> Mapping[str, Any]:
    """What the table was filled with."""
    return {"last_loc": [last_loc.slot_of(row) for row in range(requests)]}


def overflows(params: Params) -> bool:
    """Whether the legacy kernel's product of row and row length leaves int32."""
    narrow = params["req_pool_indices"] == "int32"
    return narrow and not -(2**31) <= params["row"] * params["context_len"] < 2**31


_EAGLE3 = {
    "attention-backend": "triton",
    "page-size": "16",
    "speculative-algorithm": "EAGLE3",
    "speculative-draft-model-path": "jamesliu1/sglang-EAGLE3-Llama-3.1-Instruct-8B",
    "speculative-num-steps": "3",
    "speculative-eagle-topk": "1",
    "speculative-num-draft-tokens": "4",
    "tp": "4",
}
_EXACT = Tolerance(absolute=0, relative=0, reason="slots are whole numbers, copied")

REPRODUCER = Reproducer(
    bug=Bug(
        pr=23596,
        fixed_in="0.5.11",
        symptom="wild last_loc values on AMD GPUs under EAGLE, page size above 1: GPU faults, wrong tokens",
    ),
    requires=frozenset({"torch", "triton"}),
    server=served(
        "tiny-llama-eagle3",
        requires=frozenset({"rocm"}),
        flags={
            **EAGLE3,
            "speculative-eagle-topk": "1",
            "speculative-num-draft-tokens": "4",
            "attention-backend": "triton",
            "page-size": "16",
        },
        traffic=Traffic(seed=23596, requests=32, prompt_tokens=(5, 200), output_tokens=32, concurrency=8),
        watch=MEMORY,
    ),
    reported=ReportedServer(
        model="meta-llama/Llama-3.1-8B-Instruct",
        launches=(
            Launch(platform="rocm", flags=_EAGLE3, note="0.5.10.post1 is the last affected release"),
            Launch(
                platform="cuda", flags=_EAGLE3, note="the legacy kernel is right there: the bug cannot show"
            ),
        ),
        client=random_load(1024, 256, prompts=64, at_once=16),
        expect="a memory fault of the GPU, or wrong tokens, once a batch drafts; none at page size 1",
    ),
    revert=Revert(
        form(edit(in_function="get_last_loc", remove="if _is_hip and uses_triton_dispatch: ...")),
        # Since NPUs take the new kernel too (0.5.23), only HIP's share of the condition is the fix.
        form(
            edit(
                in_function="get_last_loc",
                replace="(_is_hip or _is_npu) and uses_triton_dispatch",
                by="_is_npu and uses_triton_dispatch",
            )
        ),
    ),
    codegen=CodegenCase(
        call=launch_under_dispatch,
        imports=(last_loc.MODULE,),
        stand_ins=last_loc.STAND_INS,
        params={
            "prefix_lens": _DTYPES,
            "req_pool_indices": _DTYPES,
            "requests": Integer(4),
            "context_len": Integer(132),
        },
        grid=Grid(prefix_lens=last_loc.DTYPES, req_pool_indices=last_loc.DTYPES),
        targets=("rocm-gfx942", "rocm-gfx950"),
        controls=("cuda-sm90",),
    ),
    kernel=KernelCase(
        call=find_in_a_large_table,
        reference=right_slots,
        tolerance=_EXACT,
        imports=(last_loc.MODULE,),
        stand_ins=last_loc.STAND_INS,
        pretends="rocm",
        emulated=("gfx942", "gfx950"),
        params={
            "prefix_lens": _NARROW,
            "req_pool_indices": _NARROW,
            "context_len": Integer(2**20),
            "row": Integer(2**11, minimum=2),
            "prefix_len": Integer(8),
        },
        grid=Grid(req_pool_indices=last_loc.DTYPES, row=[2**11 - 1, 2**11, 2**12]),
        watch=watch("oob-read", "oob-write", "wrong-value"),
    ),
    device=KernelCase(
        call=on_the_gpu,
        reference=slots_of_all,
        tolerance=_EXACT,
        imports=(last_loc.MODULE,),
        stand_ins=last_loc.STAND_INS,
        platform="rocm",
        params={"prefix_lens": _DTYPES, "requests": Integer(4), "context_len": Integer(132)},
        watch=watch("wrong-value", "oob-read", "oob-write"),
    ),
    expect=Expect(
        codegen=faults(
            "signature", buffer="result", kernel="get_last_loc_kernel", only={"prefix_lens": ["int64"]}
        ),
        reverted=faults("wrong-value", buffer="last_loc", only=overflows),
    ),
)

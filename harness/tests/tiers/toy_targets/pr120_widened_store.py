"""#120: under HIP slots are to be stored as wide as they were loaded, and widened outside the kernel."""

from __future__ import annotations

from typing import Any

from harness.facts import Bug, Choice, CodegenCase, Expect, Grid, Lab, Reproducer, Revert, edit, faults

DTYPES = ("int64", "int32")


def copy(lab: Lab, *, out: str, table: str) -> dict[str, Any]:
    import torch
    from sglang import slots

    source = torch.zeros(4, dtype=getattr(torch, table))
    with lab.observe("copy"):
        slots.copy_slots(source, getattr(torch, out))
    return {}


REPRODUCER = Reproducer(
    bug=Bug(pr=120, fixed_in="9.9.9", symptom="wild slots"),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(edit(in_function="copy_slots", remove="if _is_hip: ...")),
    codegen=CodegenCase(
        call=copy,
        imports=("sglang.slots",),
        params={"out": Choice("int64", DTYPES), "table": Choice("int32", DTYPES)},
        grid=Grid(out=DTYPES, table=DTYPES),
        targets=("rocm-gfx942",),
        controls=("cuda-sm90",),
    ),
    expect=Expect(
        reverted=faults(
            "signature", buffer="out", kernel="copy_kernel", only=lambda p: p["out"] != p["table"]
        )
    ),
)

"""#103: a batch is copied into a buffer of another size."""

from __future__ import annotations

from typing import Any

from harness.facts import Bug, Expect, Integer, KernelCase, KernelLab, Reproducer, Revert, edit, faults, watch


def copy(lab: KernelLab, *, batch: int) -> dict[str, Any]:
    import torch
    from sglang import pages

    with lab.observe("copy"):
        return {"staged": pages.stage(torch.zeros(4), torch.ones(batch))}


REPRODUCER = Reproducer(
    bug=Bug(pr=103, fixed_in="9.9.8", symptom="size mismatch"),
    revert=Revert(
        edit(in_function="stage", replace="out[:count].copy_(source[:count])", by="out.copy_(source)")
    ),
    kernel=KernelCase(
        call=copy, imports=("sglang.pages",), params={"batch": Integer(6)}, watch=watch("exception")
    ),
    expect=Expect(reverted=faults("exception")),
)

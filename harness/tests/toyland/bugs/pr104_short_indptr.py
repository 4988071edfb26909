"""#104: index pointers have one entry per request, and lack the one more that ends the last."""

from __future__ import annotations

from typing import Any

from harness.facts import Bug, Expect, Integer, KernelCase, KernelLab, Reproducer, Revert, edit, faults, watch


def construct(lab: KernelLab, *, batch: int) -> dict[str, Any]:
    from sglang import pages

    with lab.observe("construct"):
        pointers = pages.Pointers(batch)
    lab.require("indptr", pointers.indptr, batch + 1)
    return {}


REPRODUCER = Reproducer(
    bug=Bug(pr=104, fixed_in="9.9.8", symptom="the last request is cut off"),
    revert=Revert(edit(in_function="Pointers.__init__", replace="batch + 1", by="batch")),
    kernel=KernelCase(
        call=construct,
        imports=("sglang.pages",),
        params={"batch": Integer(4)},
        watch=watch("short-buffer", buffers=("indptr",)),
    ),
    expect=Expect(reverted=faults("short-buffer", buffer="indptr")),
)

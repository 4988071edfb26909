"""#105: a slot without memory is read at address 0."""

from __future__ import annotations

import ctypes
from typing import Any

from harness.facts import Bug, Expect, Integer, KernelCase, KernelLab, Reproducer, Revert, edit, faults, watch


def read(lab: KernelLab, *, mapped: int) -> dict[str, Any]:
    from sglang import pages

    memory = ctypes.c_ubyte(7)
    with lab.observe("read"):
        return {"byte": pages.read_slot(ctypes.addressof(memory) if mapped else 0)}


REPRODUCER = Reproducer(
    bug=Bug(pr=105, fixed_in="9.9.8", symptom="segmentation fault"),
    revert=Revert(edit(in_function="read_slot", remove="if not address: ...")),
    kernel=KernelCase(
        call=read, imports=("sglang.pages",), params={"mapped": Integer(0, minimum=0)}, watch=watch("crash")
    ),
    expect=Expect(reverted=faults("crash")),
)

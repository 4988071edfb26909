"""#110: the stray store of #101, in a case that draws random numbers."""

from __future__ import annotations

from typing import Any

from harness.facts import (
    Bug,
    Expect,
    Grid,
    Integer,
    KernelCase,
    KernelLab,
    Reproducer,
    Revert,
    edit,
    faults,
    watch,
)


def draw(lab: KernelLab, *, tokens: int) -> dict[str, Any]:
    import random

    import numpy as np
    import torch
    from sglang import pages

    with lab.observe("fill"):
        pages.build_table(tokens, 4)
    return {"drawn": [str(random.random()), str(np.random.rand()), str(torch.rand(()).item())]}


REPRODUCER = Reproducer(
    bug=Bug(pr=110, fixed_in="9.9.8", symptom="stray store"),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(edit(in_function="build_table", replace="numel = pages * page_size", by="numel = pages")),
    kernel=KernelCase(
        call=draw,
        imports=("sglang.pages",),
        params={"tokens": Integer(12)},
        grid=Grid(tokens=[12, 8]),
        watch=watch("oob-write", buffers=("table",)),
    ),
    expect=Expect(reverted=faults("oob-write", buffer="table", kernel="fill_kernel")),
)

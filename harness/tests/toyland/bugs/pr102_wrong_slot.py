"""#102: slots of the whole sequence index a window that holds only its end."""

from __future__ import annotations

from typing import Any

from harness.facts import (
    Bug,
    Expect,
    Integers,
    KernelCase,
    KernelLab,
    Reproducer,
    Revert,
    edit,
    faults,
    watch,
)


def look_up(lab: KernelLab, *, slots: tuple[int, ...]) -> dict[str, Any]:
    import torch
    from sglang import pages

    values = torch.arange(10, 14)
    with lab.observe("look up"):
        picked = pages.pick(values, torch.tensor(slots), 6)
    return {"picked": picked}


REPRODUCER = Reproducer(
    bug=Bug(pr=102, fixed_in="9.9.8", symptom="values of another request"),
    revert=Revert(edit(in_function="pick", replace="moved = slots - window", by="moved = slots")),
    kernel=KernelCase(
        call=look_up,
        imports=("sglang.pages",),
        params={"slots": Integers((6, 9))},
        watch=watch("index-range"),
    ),
    expect=Expect(reverted=faults("index-range", buffer="values")),
)

"""#111: the stray store of #101, in a case that has a module imported ahead of the code under edit."""

from __future__ import annotations

import sys
from typing import Any

from harness.facts import Bug, Expect, Integer, KernelCase, KernelLab, Reproducer, Revert, edit, faults, watch


def draw(lab: KernelLab, *, tokens: int) -> dict[str, Any]:
    from sglang import pages

    with lab.observe("fill"):
        pages.build_table(tokens, 4)
    order = list(sys.modules)
    return {"ahead": order.index("sglang.version") < order.index("sglang.pages")}


REPRODUCER = Reproducer(
    bug=Bug(pr=111, fixed_in="9.9.8", symptom="stray store"),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(edit(in_function="build_table", replace="numel = pages * page_size", by="numel = pages")),
    kernel=KernelCase(
        call=draw,
        imports=("sglang.pages", "sglang.version"),
        ahead=("sglang.of_a_later_release", "sglang.version"),
        params={"tokens": Integer(12)},
        watch=watch("oob-write", buffers=("table",)),
    ),
    expect=Expect(reverted=faults("oob-write", buffer="table", kernel="fill_kernel")),
)

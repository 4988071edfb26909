"""#101: the table has one entry per page, but the kernel fills one per token.

With a page size above 1 the kernel writes past the table.
"""

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


def fill(lab: KernelLab, *, tokens: int, page_size: int) -> dict[str, Any]:
    from sglang import pages

    with lab.observe("fill"):
        table = pages.build_table(tokens, page_size)
    lab.note(f"the table holds {table.numel()} entries; {tokens} are filled")
    return {"table": table, "half": tokens / 2}


REPRODUCER = Reproducer(
    bug=Bug(pr=101, issue=1001, introduced_in="9.9.0", fixed_in="9.9.8", symptom="stray store"),
    requires=frozenset({"torch", "triton"}),
    revert=Revert(edit(in_function="build_table", replace="numel = pages * page_size", by="numel = pages")),
    kernel=KernelCase(
        call=fill,
        imports=("sglang.pages",),
        params={"tokens": Integer(12), "page_size": Integer(4)},
        grid=Grid(page_size=[1, 4]),
        watch=watch("oob-write", buffers=("table",)),
    ),
    expect=Expect(
        reverted=faults("oob-write", buffer="table", kernel="fill_kernel", only={"page_size": [4]})
    ),
)

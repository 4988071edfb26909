"""#106: a queue is drained without taking anything out of it."""

from __future__ import annotations

from typing import Any

from harness.facts import Bug, Expect, Integer, KernelCase, Reproducer, Revert, edit, faults, watch


def drain(lab: Any, *, queued: int) -> dict[str, Any]:
    from sglang import pages

    with lab.observe("drain"):
        return {"drained": pages.drain([0] * queued)}


REPRODUCER = Reproducer(
    bug=Bug(pr=106, fixed_in="9.9.8", symptom="hang"),
    revert=Revert(edit(in_function="drain", remove="queue.pop()")),
    kernel=KernelCase(
        call=drain,
        imports=("sglang.pages",),
        params={"queued": Integer(3)},
        watch=watch("hang"),
        seconds=2.5,
    ),
    expect=Expect(reverted=faults("hang")),
)

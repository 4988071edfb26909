"""#106: whoever drains a queue waits for a word that nobody gives."""

from __future__ import annotations

import threading
from typing import Any

from harness.facts import Bug, Expect, Integer, KernelCase, KernelLab, Reproducer, Revert, edit, faults, watch


def drain(lab: KernelLab, *, queued: int) -> dict[str, Any]:
    from sglang import pages

    with lab.observe("drain"):
        return {"left": pages.drain([0] * queued, threading.Event())}


REPRODUCER = Reproducer(
    bug=Bug(pr=106, fixed_in="9.9.8", symptom="hang"),
    revert=Revert(edit(in_function="drain", remove="drained.set()")),
    kernel=KernelCase(
        call=drain,
        imports=("sglang.pages",),
        params={"queued": Integer(3)},
        watch=watch("hang"),
        seconds=2.5,
    ),
    expect=Expect(reverted=faults("hang")),
)

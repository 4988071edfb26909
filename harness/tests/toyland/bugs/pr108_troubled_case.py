"""#108: a case whose own machinery fails, in a way that `trouble` chooses."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from harness.errors import BadInput
from harness.facts import Bug, Choice, Expect, KernelCase, KernelLab, Reproducer, Revert, edit, faults, watch

TROUBLES = ("raise", "misuse", "refuse", "exhaust", "exit", "segfault", "sleep", "unminded", "orphan")


def fail(lab: KernelLab, *, trouble: str) -> dict[str, Any]:
    """Fails before the edited function is entered, or never enters it; `exhaust` fails inside it."""
    if trouble == "raise":
        raise ValueError("the case is wrong")
    if trouble == "misuse":
        lab.stand_in("runner", known=1).unknown  # noqa: B018
    if trouble == "refuse":
        raise BadInput("trouble: refuse cannot be run: choose another")
    if trouble == "exhaust":
        _exhaust(lab)
    if trouble == "exit":
        sys.exit(3)
    if trouble == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if trouble == "sleep":
        time.sleep(60)
    if trouble == "unminded":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    if trouble == "orphan":
        os.kill(_parent(os.getppid()), signal.SIGKILL)
        time.sleep(60)
    return {}


def _exhaust(lab: KernelLab) -> None:
    from sglang import pages

    with lab.observe("exhaust"):
        pages.Pointers(1 << 40)


def _parent(pid: int) -> int:
    """The fork server is the parent of what minds an arm."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return int(stat.read().rpartition(")")[2].split()[1])


REPRODUCER = Reproducer(
    bug=Bug(pr=108, fixed_in="9.9.8", symptom="none"),
    revert=Revert(edit(in_function="Pointers.__init__", replace="batch + 1", by="batch")),
    kernel=KernelCase(
        call=fail,
        imports=("sglang.pages",),
        params={"trouble": Choice("raise", TROUBLES)},
        watch=watch("short-buffer"),
        seconds=2.5,
    ),
    expect=Expect(reverted=faults("short-buffer")),
)

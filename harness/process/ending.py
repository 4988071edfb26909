"""From what the watchdog saw and what was heard of the arm to the one word for how the arm ended."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from typing import Any

from harness.observation import Exit
from harness.process import log
from harness.process.hearing import Heard
from harness.process.job import OWN_FAILURE, Ended, Files

TIME_OUT, OUT_OF_MEMORY, LOST = "time-out", "out-of-memory", "lost"
_ABORTED_FOR_MEMORY = re.compile(r"std::bad_alloc|MemoryError|([Cc]annot|can't) allocate memory")


def lost(files: Files, why: str) -> Ended:
    """The arm's processes vanished, so nobody can say how it ended."""
    return Ended(exit=Exit(how="lost", message=why), seconds=0.0, log=files.log)


def conclude(files: Files, report: Mapping[str, Any], heard: Heard) -> Ended:
    """How the arm ended. `report` is the watchdog's: see `watchdog.mind`."""
    common: dict[str, Any] = {"seconds": report["seconds"], "log": files.log}
    common["leftovers"] = tuple(report["leftovers"])
    if heard.problem:
        return Ended(exit=Exit(how="lost", message=heard.problem), **common)
    # The arm's own last words count only where it was not stopped from outside.
    by_itself = not report["killed_for"] and report["signal"] is None
    last = heard.last if heard.last and by_itself else {}
    error = last.get("error")
    result = last.get("result") if report["code"] == 0 else None
    ending = exit_of(report, error, result is not None, log.tail(files.log))
    return Ended(
        exit=ending,
        result=result if ending.how == "clean" else None,
        error=error,
        answers=heard.answers,
        told=heard.told,
        imported=tuple(last.get("imported", ())),
        **common,
    )


def exit_of(
    report: Mapping[str, Any], error: Mapping[str, Any] | None, has_result: bool, log_tail: str
) -> Exit:
    """The closed table: what was decided outside, then signals, then the arm's own word."""
    code, number = report["code"], report["signal"]
    name = signal_name(number) if number is not None else None
    if report["killed_for"]:
        return Exit(how=report["killed_for"], message=report["message"])
    if number is not None:
        return _exit_by_signal(name, bool(report["kernel_kills"]), log_tail)
    if error is not None:
        how = OUT_OF_MEMORY if error["memory"] else "exception"
        return Exit(how=how, code=code, message=f"{error['type']}: {error['message']}")
    if has_result and code == 0:
        return Exit(how="clean", code=0)
    if code == OWN_FAILURE:
        return Exit(
            how="lost",
            code=code,
            message="it could not be set up or its result not written; its log says why",
        )
    return Exit(how="exception", code=code, message=f"ended with exit code {code} and without a result")


def _exit_by_signal(name: str | None, kernel_kills: bool, log_tail: str) -> Exit:
    if name == "SIGKILL" and kernel_kills:
        return Exit(
            how=OUT_OF_MEMORY, signal=name, message="the kernel killed it: the machine had no memory left"
        )
    if name == "SIGABRT" and _ABORTED_FOR_MEMORY.search(log_tail):
        return Exit(how=OUT_OF_MEMORY, signal=name, message="it aborted because an allocation failed")
    return Exit(how="crash", signal=name)


def signal_name(number: int) -> str:
    """`SIGSEGV` for 11; real-time signals, which have no names of their own, by number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

"""The steps of a night: each a process with a time limit and a log of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout, in which every step runs."""
GRACE = 20.0
"""Seconds that a step which is out of time has to end what it started."""
TAIL = 30
"""Lines of a failing step's log that are printed."""


@dataclass(frozen=True)
class Step:
    """One command. `needs` is a file without which it means nothing; `good` are its exit codes."""

    name: str
    command: Sequence[str]
    minutes: float
    needs: Path | None = None
    good: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Ended:
    """How a step ended: `code` is None where it was not run, or ran out of time."""

    name: str
    passed: bool
    code: int | None
    seconds: float
    note: str = ""

    @property
    def word(self) -> str:
        return "ok" if self.passed else "FAILED"


def run(step: Step, out: Path) -> Ended:
    """Run a step, print how it ended, and, if that is no good, how its log ends.

    Its log is NAME.log in the folder `out`.
    """
    if step.needs is not None and not step.needs.is_file():
        return _told(Ended(step.name, False, None, 0.0, f"not run: there is no {step.needs.name}"), out)
    since = time.monotonic()
    code = _code(step, out / f"{step.name}.log")
    seconds = time.monotonic() - since
    note = f"out of its {step.minutes:g} minutes" if code is None else f"ended with {code}"
    passed = code in step.good
    return _told(Ended(step.name, passed, code, seconds, "" if passed else note), out)


def _code(step: Step, log: Path) -> int | None:
    """The exit code of a step's command; None if it ran out of its time."""
    with log.open("w", encoding="utf-8") as written:
        process = subprocess.Popen(
            step.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=written, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            return process.wait(timeout=step.minutes * 60)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a step, and of whatever it started in its session."""
    for sent in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, sent)
            try:
                process.wait(timeout=GRACE)
            except subprocess.TimeoutExpired:
                continue


def _told(ended: Ended, out: Path) -> Ended:
    print(f"{ended.word:<7} {ended.name:<17} {ended.seconds:7.1f} s  {ended.note}", flush=True)
    log = out / f"{ended.name}.log"
    if not ended.passed and log.is_file():
        for line in log.read_text(errors="replace", encoding="utf-8").splitlines()[-TAIL:]:
            print(f"        {line}")
    return ended

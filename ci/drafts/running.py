"""The command `refault` in a process of its own, and the seconds that it took."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

LONGEST = 300
"""Seconds after which a command is killed."""


@dataclass(frozen=True)
class Ran:
    """How a command ended, below 0 by that signal, what it said of errors, and its seconds."""

    code: int
    stderr: str
    cpu: float
    wall: float


Command = Callable[[Sequence[str]], Ran]


def cold(words: Sequence[str]) -> Ran:
    """As a user runs it: the seconds are those of the whole command, its start included."""

    def start(stderr: int) -> int:
        command = [sys.executable, "-m", "harness", *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr).pid

    return _ran(start)


def warm(words: Sequence[str]) -> Ran:
    """In a fork of this process, which has everything imported: a second of start-up less."""
    from harness import cli
    from harness.commands import new  # noqa: F401 - so that the fork need not
    from harness.draft import deriving, obtained, render  # noqa: F401

    def start(stderr: int) -> int:
        child = os.fork()
        if child == 0:
            _in_child(cli.main, words, stderr)
        return child

    return _ran(start)


def _in_child(main: Callable[[], None], words: Sequence[str], stderr: int) -> NoReturn:
    code = 70  # should the exit itself fail
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(stderr, 2)
        sys.argv = ["refault", *words]
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        os._exit(code)


def _ran(start: Callable[[int], int]) -> Ran:
    with tempfile.TemporaryFile() as stderr:
        started = time.monotonic()
        status, usage = _waited(start(stderr.fileno()), started + LONGEST)
        wall = time.monotonic() - started
        stderr.seek(0)
        text = stderr.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    return Ran(code, text, round(usage.ru_utime + usage.ru_stime, 2), round(wall, 2))


def _waited(child: int, until: float) -> tuple[int, resource.struct_rusage]:
    """A process's status and what it used; it is killed when its time is up."""
    while True:
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            return status, usage
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)

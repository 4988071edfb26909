"""Gives a server's process an error stream of its own, while what Python writes stays in the shared log.

File descriptors 1 and 2 lead to a file of this process alone: what comes there is of native code, of
faulthandler, or of a program that it started. `sys.stdout` and `sys.stderr`, and with them all logging
records, go on to the log that people read.
"""

from __future__ import annotations

import faulthandler
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.serving.evidence import NATIVE

VARIABLE = "REFAULT_SHARED_LOG"
"""Names the shared log to processes that inherit another's own stream."""
_enable: Callable[..., None] = faulthandler.enable


def shared_log() -> str | None:
    """The file that standard error leads to, in the server's first process; None if it is no file."""
    known = os.environ.get(VARIABLE)
    if known is None and stat.S_ISREG(os.fstat(2).st_mode):
        known = os.environ[VARIABLE] = os.readlink("/proc/self/fd/2")
    return known


def part(folder: Path) -> tuple[str, ...]:
    """Part the streams of this process; what was changed, for the attestation. `folder` is its report's."""
    log = shared_log()
    if log is None:
        return ()
    _let_python_write_to(log)
    take(folder)
    faulthandler.enable = _enabled
    return (
        "sys.stdout, sys.stderr: the shared log, while descriptors 1 and 2 are this process's own",
        "faulthandler.enable: dumps into the process's own stream",
    )


def take(folder: Path) -> None:
    """Lead descriptors 1 and 2 of this process into `folder`: again after a fork."""
    if VARIABLE not in os.environ:
        return
    own = os.open(folder / NATIVE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(own, 1)
    os.dup2(own, 2)
    os.close(own)
    _enable(file=2)


def _enabled(file: Any = None, all_threads: bool = True, **rest: Any) -> None:
    _enable(file=2, all_threads=all_threads, **rest)


def _let_python_write_to(log: str) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    for name in ("stdout", "stderr"):
        stream = os.fdopen(os.dup(descriptor), "w", buffering=1, errors="backslashreplace")
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.close(descriptor)

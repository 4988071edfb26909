"""The processes below this one, and how to end them without ever hitting a stranger.

A pid alone is never signalled: it may have been given to somebody else. A process is its pid and
its start time, and it is signalled through a pidfd that was checked against both.
"""

from __future__ import annotations

import os
import signal
import time
from typing import NamedTuple


class Process(NamedTuple):
    """One line of /proc. `start` is in clock ticks since boot."""

    pid: int
    parent: int
    state: str
    start: int
    name: str

    @property
    def ended(self) -> bool:
        return self.state in "ZX"


def look_up(pid: int) -> Process | None:
    """What /proc says about `pid`; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            text = stat.read().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name is in parentheses and may itself hold spaces and parentheses.
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Process(pid, int(fields[1]), fields[0], int(fields[19]), head.partition("(")[2])


def descendants(root: int) -> list[Process]:
    """Every process below `root` as of now, zombies included, parents before children."""
    children: dict[int, list[Process]] = {}
    for entry in os.listdir("/proc"):
        process = look_up(int(entry)) if entry.isdigit() else None
        if process:
            children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    level = children.get(root, [])
    while level:
        found += level
        level = [child for process in level for child in children.get(process.pid, [])]
    return found


def send_signal(process: Process, number: int) -> bool:
    """Signals exactly this process; False if it is gone or not ours to signal."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        now = look_up(process.pid)
        if now is None or now.start != process.start:
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(handle)


def reap() -> bool:
    """Collects children that have ended; whether any child is left."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def sweep(seconds: float) -> list[str]:
    """Kills every descendant until none is left; the names of those that outlived `seconds`.

    The caller adopts orphans. Then having no child is proof: any descendant has one above it. New ones
    may be forked during a scan, so it goes round until that proof holds.
    """
    deadline = time.monotonic() + seconds
    while reap():
        if time.monotonic() > deadline:
            return sorted(process.name for process in descendants(os.getpid()) if not process.ended)
        for process in descendants(os.getpid()):
            send_signal(process, signal.SIGKILL)
        time.sleep(0.002)
    return []

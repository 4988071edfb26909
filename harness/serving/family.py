"""The processes of one server, wherever in the process tree they have gone, and how they are ended."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from harness.process import descendants
from harness.process.descendants import Process

_ROLES = ("scheduler", "detokenizer")
"""Upstream titles its processes `sglang::<role>` (setproctitle), which shows as their command line."""


def of(leader: int) -> list[Process]:
    """Every living process that the server started: below its first process, or in that one's session.

    A process whose parent ended belongs to whoever adopts orphans; its session identifies it. A session's
    number is its leader's pid, which the kernel gives to nobody while the session has members.
    """
    below = [process for process in descendants.descendants(leader) if not process.ended]
    known = {process.pid for process in below}
    others = [process for pid in _session(leader) if (process := descendants.look_up(pid))]
    below += [process for process in others if process.pid not in known and not process.ended]
    return below


def _session(leader: int) -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and _session_of(entry) == leader]


def _session_of(pid: str) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None  # it has just ended
    return int(stat.rpartition(")")[2].split()[3])


def stopped(leader: int) -> list[Process]:
    """Those that a signal has stopped."""
    return [process for process in of(leader) if process.state in "Tt"]


def working(leader: int) -> tuple[tuple[str, Process], ...]:
    """(role, process) of those that upstream names after what they do."""
    return tuple((name, process) for process in of(leader) if (name := role(process, leader)) in _ROLES)


def is_alive(process: Process) -> bool:
    """Whether exactly this process still runs."""
    now = descendants.look_up(process.pid)
    return now is not None and now.start == process.start and not now.ended


def role(process: Process, leader: int) -> str:
    """What upstream calls it: `scheduler`, `detokenizer`, or `server` for the first process."""
    title = command_line(process.pid)
    for name in _ROLES:
        if f"sglang::{name}" in title:
            return name
    return "server" if process.pid == leader else process.name


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""  # it has just ended


def end(leader: Process, grace: float, seconds: float) -> tuple[Process, ...]:
    """SIGTERM to all, SIGKILL after `grace`, until none is left; those that outlive `seconds`.

    `leader` is a child of this process and is left unreaped, so that its pid stays its own.
    """
    _signal_all(leader, signal.SIGTERM)
    _wait(leader, grace)
    deadline = time.monotonic() + seconds
    while _living(leader) and time.monotonic() < deadline:
        _signal_all(leader, signal.SIGKILL)
        _wait(leader, 0.05)
    return tuple(_living(leader))


def _signal_all(leader: Process, number: int) -> None:
    for process in _living(leader):
        # Python's tracker of shared memory outlives its owners to clean up after them: let it, at first.
        if number == signal.SIGTERM and "resource_tracker" in command_line(process.pid):
            continue
        descendants.send_signal(process, number)
        if number == signal.SIGTERM and process.state in "Tt":
            descendants.send_signal(process, signal.SIGCONT)


def _living(leader: Process) -> list[Process]:
    return ([leader] if is_alive(leader) else []) + [one for one in of(leader.pid) if one.pid != leader.pid]


def _wait(leader: Process, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _living(leader) and time.monotonic() < deadline:
        time.sleep(0.05)

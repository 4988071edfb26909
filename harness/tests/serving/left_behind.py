"""What a command that has ended may have left on the machine: processes, ports, shared memory, files.

Processes are not known by anything that they could change about themselves (their title, their
environment, their group): the one that looks adopts orphans, so whatever was started below it is found
below it (PR_SET_CHILD_SUBREAPER, prctl(2)).
"""

from __future__ import annotations

import getpass
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from harness.process import descendants, prctl, shared_memory
from harness.process.descendants import Process

_LOOK_EVERY = 0.05
_LISTENS = "0A"
"""TCP_LISTEN in /proc/net/tcp (proc_pid_net(5))."""


class Watch:
    """Notes how things stand, before the command is started by this process; `left` says what came of it.

    `temporary` is an empty folder that the command gets as TMPDIR. This process adopts orphans from now on.
    """

    def __init__(self, temporary: Path) -> None:
        prctl.adopt_orphans()
        self.temporary = temporary
        self._segments = shared_memory.present()
        self._before = {(one.pid, one.start) for one in _below()}

    def processes(self) -> list[Process]:
        """What was started since and runs."""
        return [one for one in _below() if (one.pid, one.start) not in self._before]

    def ports(self) -> list[int]:
        """Where any of these listens."""
        return listened_to(one.pid for one in self.processes())

    def left(self, within: float = 0.0) -> list[str]:
        """A line for each thing that is there and was not, once `within` seconds have passed or none is."""
        deadline = time.monotonic() + within
        while (found := self._found()) and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY)
        return found

    def _found(self) -> list[str]:
        return [
            *(f"process {one.name} ({one.pid})" for one in self.processes()),
            *(f"port {port}" for port in self.ports()),
            *(f"segment {name}" for name in self._unused_segments()),
            *(f"file {path.name}" for path in sorted(self.temporary.iterdir()) if not _is_cache(path)),
        ]

    def _unused_segments(self) -> list[str]:
        """New ones that nobody uses: what our neighbours on this machine use is theirs."""
        new = shared_memory.present() - self._segments
        every = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()] if new else []
        own = shared_memory.used(one.pid for one in self.processes()) if new else set()
        return sorted(new & own | new - shared_memory.used(every))


def listened_to(pids: Iterable[int]) -> list[int]:
    """The TCP ports at which these processes listen."""
    sockets = set().union(*map(_sockets, pids))
    rows = [line.split() for name in ("tcp", "tcp6") for line in _lines(Path("/proc/net", name))]
    ports = {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTENS and row[9] in sockets}
    return sorted(ports)


def _below() -> list[Process]:
    return [one for one in descendants.descendants(os.getpid()) if not one.ended]


def _sockets(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    found = set()
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            if inode := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry.path)):
                found.add(inode[1])
    except OSError:
        return found  # it has ended, or closed what was being read
    return found


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()[1:] if file.exists() else []


def _is_cache(path: Path) -> bool:
    """torch's cache of compiled code, which it keeps there for all programs of a user."""
    return path.name == f"torchinductor_{getpass.getuser()}"

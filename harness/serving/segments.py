"""The shared-memory segments of a server's processes: known while they are mapped, removed at the end.

SIGKILL skips every clean-up of the process it hits, so segments stay in /dev/shm; and upstream's table of
loads (`sglang_loads_…`, load_snapshot.ShmLoadSnapshotWriter) is removed by nobody, however its server ends.
Only those that a process of the server was seen to map or hold open, or whose name carries its pid, are
ever removed: what nobody here uses may be in use in another container that shares /dev/shm.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable

from harness.process import shared_memory
from harness.process.shared_memory import present, used

FOLDER = shared_memory.FOLDER
_UPSTREAM = "sglang_"
_NUMBER = re.compile(r"(?<!\d)\d+(?!\d)")


class Segments:
    """What the processes of one server were seen to use."""

    def __init__(self) -> None:
        self._there_before = self._there_then = present()
        self._seen: set[str] = set()
        self._pids: set[int] = set()

    @property
    def has_news(self) -> bool:
        """Whether there are segments, of whomsoever, that were not there at the last look."""
        return not present() <= self._there_then

    def look(self, pids: Iterable[int]) -> None:
        """Notes what these processes use now."""
        self._there_then, pids = present(), frozenset(pids)
        self._pids |= pids
        self._seen |= used(pids)

    def mine(self) -> tuple[str, ...]:
        """Names of the segments that are left over, made since the server was started."""
        fresh = set(present()) - self._there_before
        named = {name for name in fresh if self._pids & set(map(int, _NUMBER.findall(name)))}
        return tuple(sorted(fresh & self._seen | named))

    def remove(self) -> tuple[str, ...]:
        """Removes them; call it when no process of the server is left."""
        names = self.mine()
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # a tracker was faster
                (FOLDER / name).unlink()
        return names


def left_behind() -> tuple[str, ...]:
    """Upstream's segments that no process uses any more, whoever's server made them for this user."""
    return _unused(present())


def _unused(names: Iterable[str]) -> tuple[str, ...]:
    """Upstream's among these, made by this user, that no process which can be seen has open or mapped."""
    named = {name for name in names if name.startswith(_UPSTREAM)}
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()] if named else []
    return tuple(sorted(name for name in named - used(pids) if _is_own(name)))


def _is_own(name: str) -> bool:
    """Whether this user made it: what others use cannot be seen."""
    try:
        return (FOLDER / name).stat().st_uid == os.getuid()
    except FileNotFoundError:
        return False

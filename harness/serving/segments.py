"""The shared-memory segments of a server's processes: known while they are mapped, removed at the end.

SIGKILL skips every clean-up of the process it hits, so segments stay in /dev/shm. Only those that a
process of the server was seen to map or hold open, or whose name carries its pid, are ever removed, and
those of upstream's that came up with it and that nobody uses.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path("/dev/shm")
_UPSTREAM = "sglang_"
_NUMBER = re.compile(r"(?<!\d)\d+(?!\d)")


class Segments:
    """What the processes of one server were seen to use."""

    def __init__(self) -> None:
        self._there_before = frozenset(_present())
        self._seen: set[str] = set()
        self._pids: set[int] = set()

    def look(self, pids: Iterable[int]) -> None:
        """Notes what these processes use now."""
        for pid in pids:
            self._pids.add(pid)
            self._seen |= _mapped(pid) | _opened(pid)

    def mine(self) -> tuple[str, ...]:
        """Names of the segments that are left over, made since the server was started."""
        fresh = set(_present()) - self._there_before
        named = {name for name in fresh if self._pids & set(map(int, _NUMBER.findall(name)))}
        return tuple(sorted(fresh & self._seen | named))

    def orphans(self) -> tuple[str, ...]:
        """Upstream's segments, made since the server was started, that no process uses any more.

        One that dies between two looks leaves some that it was never seen with. Descriptors are read
        before mappings: a segment that is being made is open until it is mapped.
        """
        named = {name for name in set(_present()) - self._there_before if name.startswith(_UPSTREAM)}
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()] if named else []
        used = set().union(*map(_opened, pids)) | set().union(*map(_mapped, pids))
        return tuple(sorted(name for name in named - used if _is_own(name)))

    def remove(self) -> tuple[str, ...]:
        """Removes them; call it when no process of the server is left."""
        names = tuple(sorted({*self.mine(), *self.orphans()}))
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # a tracker was faster
                (FOLDER / name).unlink()
        return names


def _is_own(name: str) -> bool:
    """Whether this user made it: what others use cannot be seen."""
    try:
        return (FOLDER / name).stat().st_uid == os.getuid()
    except FileNotFoundError:
        return False


def _present() -> list[str]:
    return os.listdir(FOLDER) if FOLDER.is_dir() else []


def _mapped(pid: int) -> set[str]:
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
            lines = [line for line in maps if f" {FOLDER}/" in line]
    except OSError:
        return set()  # it has ended
    return {line.rstrip("\n").partition(f" {FOLDER}/")[2].removesuffix(" (deleted)") for line in lines}


def _opened(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):  # it has ended
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):  # it was closed meanwhile
                target = os.readlink(entry.path)
                found |= {target.removeprefix(f"{FOLDER}/")} if target.startswith(f"{FOLDER}/") else set()
    return found

"""The folder in which a warm process is found: a lock that says that it lives, and its socket."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from harness.errors import BadInput
from harness.foreign import cause, shown

_LOCK, _SOCKET = "lock", "socket"
_ELSEWHERE = "set REFAULT_CACHE to another place"
_PATIENCE = 0.5
"""Seconds for which somebody who clears up may hold the lock."""


class Place:
    """A folder that is its owner's alone; another one's, or one that others can enter, is not trusted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self) -> None:
        """Makes the folder this process's, for as long as it lives; what a dead one left is cleared away.

        BadInput where another process has it, or it cannot be made.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if problem := self.problem():
                raise BadInput(f"{shown(self.folder)} {problem}: remove it, or {_ELSEWHERE}")
            self._lock()
            self.leave()
        except OSError as error:
            raise BadInput(f"{shown(self.folder)}: {cause(error)}: {_ELSEWHERE}") from error

    def listen(self) -> socket.socket:
        """The socket that pools come to. BadInput where the folder's file system has none."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with self._entered() as inside:
                listening.bind(f"{inside}/{_SOCKET}")
        except OSError as error:
            raise BadInput(f"{shown(self.folder)}: {cause(error)}: {_ELSEWHERE}") from error
        listening.listen(16)
        listening.setblocking(False)
        return listening

    def leave(self) -> None:
        """Takes the socket away, so that nobody comes any more."""
        (self.folder / _SOCKET).unlink(missing_ok=True)

    def problem(self) -> str | None:
        """Why the folder is not trusted; None for one that is, or is not there."""
        try:
            about = self.folder.lstat()
        except OSError:
            return None
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
            return "is not a folder of yours alone"
        return None

    def connect(self) -> socket.socket | None:
        """A connection; None where nobody is there. What a dead one left is cleared away. Raises OSError."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with self._entered() as inside:
                link.setblocking(False)  # one that takes nobody any more is as good as none
                link.connect(f"{inside}/{_SOCKET}")
        except (FileNotFoundError, ConnectionRefusedError):
            link.close()
            self._clear()
            return None
        except OSError:
            link.close()
            raise
        return link

    def holder(self) -> int | None:
        """The process that has it, ready or not; None where none has."""
        try:
            with open(self.folder / _LOCK, encoding="utf-8") as lock:
                if not _locks(lock.fileno(), fcntl.LOCK_SH):
                    return int(lock.read() or 0)
        except (OSError, ValueError):
            pass
        return None

    def _lock(self) -> None:
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _PATIENCE
        while not _locks(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                pid = self.holder()
                os.close(descriptor)
                raise BadInput(f"`refault warm` runs already for this cache (process {pid}): end it first")
            time.sleep(0.02)
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())  # stays open, and so locked, until this process ends

    def _clear(self) -> None:
        """Removes a socket whose holder is dead: nobody has the lock, and nobody takes it meanwhile."""
        with contextlib.suppress(OSError):
            descriptor = os.open(self.folder / _LOCK, os.O_RDWR)
            try:
                if _locks(descriptor, fcntl.LOCK_EX):
                    self.leave()
            finally:
                os.close(descriptor)

    @contextmanager
    def _entered(self) -> Iterator[str]:
        """A short path to the folder: a socket's has 107 bytes at most (unix(7))."""
        descriptor = os.open(self.folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)


class Peer(NamedTuple):
    """The process and the user at the other end of a connection, as the kernel tells them (SO_PEERCRED)."""

    pid: int
    user: int


def peer(link: socket.socket) -> Peer:
    """Whom a connection leads to."""
    told = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, user, _ = struct.unpack("3i", told)
    return Peer(pid, user)


def _locks(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

"""What a server's processes say of themselves, each over a connection of its own, to the server's starter.

The kernel says which process is at the other end, so that none can speak for another; what was said cannot be
taken back, as what lies in a file can.
"""

from __future__ import annotations

import os
import secrets
import selectors
import socket
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.errors import Forged
from harness.process import descendants, frames
from harness.process.hearing import hold_unaltered

Lines = Mapping[str, list[dict[str, Any]]]
"""What is told line by line, by process (`<role>.<pid>`)."""

ROLE, ATTESTATION, STRAY, EVENT = "role", "attestation", "stray", "event"
"""What a process tells: of the first two the last word counts, of the others every one."""
_LOOK_EVERY = 0.2
_AT_ONCE = 1 << 20
_CREDENTIALS = struct.Struct("3i")


@dataclass
class Told:
    """What one process said."""

    pid: int
    role: str = ""
    attestation: dict[str, Any] | None = None
    lines: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {STRAY: [], EVENT: []})

    @property
    def name(self) -> str:
        return f"{self.role}.{self.pid}"

    def take(self, name: str, data: Any) -> None:
        """One thing that it said. Raises Forged for what no process of a server says."""
        match name:
            case _ if name == ROLE:
                self.role = str(data)
            case _ if name == ATTESTATION:
                self.attestation = data
            case _ if name in self.lines and isinstance(data, dict):
                self.lines[name].append(data)
            case _:
                raise Forged(f"process {self.pid} of the server told something that it was not asked")


def connect(name: str) -> socket.socket:
    """A process's end of a connection to the receiver of this name."""
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.connect(f"\0{name}")
    return stream


class Receiver:
    """Hears the processes of one server while the context is open, which should outlive the server.

    `name` is what processes connect to; only those that this process, or its parent, has below it are heard.
    """

    def __init__(self) -> None:
        self.name = f"refault-{secrets.token_hex(16)}"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._told: dict[int, Told] = {}
        self._problem: Forged | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._hear, name="refault-receiver", daemon=True)

    def __enter__(self) -> Receiver:
        self._listener.bind(f"\0{self.name}")
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._is_over.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def told(self) -> tuple[Told, ...]:
        """What every process has said up to now. Raises Forged where one said what no honest one says."""
        while self._turn(0):
            pass
        with self._lock:
            if self._problem:
                raise self._problem
            return tuple(one for one in self._told.values() if one.role)

    def events(self) -> Lines:
        """The events of every process up to now."""
        return {one.name: one.lines[EVENT] for one in self.told()}

    def _hear(self) -> None:
        while not self._is_over.is_set():
            self._turn(_LOOK_EVERY)

    def _turn(self, seconds: float) -> bool:
        """Take what is there; whether there was anything."""
        ready = self._selector.select(seconds)
        with self._lock:
            taken = [self._take(key.fileobj, key.data) for key, _ in ready]
        return any(taken)

    def _take(self, stream: Any, voice: _Voice | None) -> bool:
        if stream.fileno() < 0:  # another thread has seen its end
            return False
        try:
            return self._welcome(stream.accept()[0]) if voice is None else self._heard(stream, voice)
        except BlockingIOError:  # another thread was quicker
            return False

    def _heard(self, stream: socket.socket, voice: _Voice) -> bool:
        try:
            data = stream.recv(_AT_ONCE)
        except ConnectionResetError:
            data = b""
        if data:
            self._problem = self._problem or voice.problem_with(data)
        else:
            self._selector.unregister(stream)
            stream.close()
        return bool(data)

    def _welcome(self, stream: socket.socket) -> bool:
        pid, user, _ = _CREDENTIALS.unpack(
            stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if user != os.getuid() or not _is_below(pid):
            stream.close()  # whoever else is on this machine has no say
            return True
        if pid in self._told:
            self._problem = self._problem or Forged(f"process {pid} of the server began to tell twice")
        stream.setblocking(False)
        key, told = frames.new_key(), Told(pid)
        stream.send(key)
        self._told[pid] = told
        self._selector.register(stream, selectors.EVENT_READ, _Voice(key, told))
        return True


class _Voice:
    """One connection, whose messages come whole and in order."""

    def __init__(self, key: bytes, told: Told) -> None:
        self._unpacker, self._told = frames.Unpacker(key, frames.TO_SUPERVISOR), told

    def problem_with(self, data: bytes) -> Forged | None:
        """Take what was sent; what no honest process sends is returned."""
        try:
            for message in self._unpacker.feed(data):
                hold_unaltered(message)
                self._told.take(str(message.get("name")), message.get("data"))
        except Forged as problem:
            return problem
        return None


def _is_below(pid: int) -> bool:
    """Whether a process is below this one, or below its parent, which adopts orphans."""
    above = {os.getpid(), os.getppid()}
    while pid > 1 and pid not in above:
        process = descendants.look_up(pid)
        pid = process.parent if process else 0
    return pid in above

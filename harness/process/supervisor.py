"""The process between a pool and everything it starts: when the pool is gone, all of it goes.

It holds one end of a socket and a pidfd of the pool's process, so neither a close nor a SIGKILL of
the pool escapes it. (A parent-death signal would not do: it would end the supervisor before its work,
and it fires when a mere thread of the pool ends.) It imports little, so as to be there at once.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from harness.process import packets, prctl, scratch, shared_memory
from harness.process.descendants import Process, look_up, reap, send_signal, sweep

BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from harness.process.supervisor import main; main()"
"""What its interpreter is started with."""
_LOOK_EVERY_MS = 200


class Role(NamedTuple):
    """What a fork of a supervisor goes on as: the fork server whose pool is at the other end of `link`."""

    link: socket.socket
    scratch: Path


Become = Callable[[Mapping[str, Any], int], Role]
"""Makes a fork server of a fork: takes the pool's message and the descriptor of its link."""


def main() -> None:
    """Serves until the pool is gone. Arguments: the folder of `harness`, descriptor, pool's pid, scratch."""
    _, _, descriptor, pool, folder = sys.argv
    link = socket.socket(fileno=int(descriptor))
    link.set_inheritable(False)
    try:
        handle = os.pidfd_open(int(pool))
    except ProcessLookupError:
        return
    # Opened before the parent is checked: it is the pool's for certain.
    if os.getppid() == int(pool):
        watch(link, handle, folder, _execute)


def watch(
    link: socket.socket, pool: int, folder: str, become: Become, told: Sequence[int] = ()
) -> Role | None:
    """Serves until the pool is gone, and leaves nothing that was started; `pool` is a pidfd of its process.

    In a fork, gives what `become` made of it. `told` are descriptors that go to the pool. SystemExit on a
    signal, and where a process cannot be killed.
    """
    before = shared_memory.present()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    prctl.name_process("refault-supervisor")
    prctl.adopt_orphans()
    supervisor = _Supervisor(link, pool, become)
    try:
        supervisor.locks = scratch.make(folder)  # locked until this process is gone
        packets.send(link, {"ready": True, "pid": os.getpid()}, told)
        for descriptor in told:
            os.close(descriptor)
        supervisor.serve()
    finally:
        if supervisor.role is None:
            _end(folder, before)
    return supervisor.role


def _end(folder: str, before: frozenset[str]) -> None:
    scratch.note_used(Path(folder), os.getpid(), before)
    survivors = sweep(seconds=10)
    scratch.clear(folder)
    if survivors:
        sys.exit(f"refault: these processes cannot be killed: {', '.join(survivors)}")


class _Supervisor:
    """`role` is there in a fork of it, and there alone."""

    def __init__(self, link: socket.socket, pool: int, become: Become) -> None:
        self._link, self._pool, self._become = link, pool, become
        self._fork_servers: dict[str, Process | None] = {}
        self.locks: int | None = None
        self.role: Role | None = None

    def serve(self) -> None:
        poll = select.poll()
        for descriptor in (self._link.fileno(), self._pool):
            poll.register(descriptor, select.POLLIN)
        while self.role is None:
            for descriptor, _ in poll.poll(_LOOK_EVERY_MS):
                if descriptor != self._link.fileno() or not self._answer():
                    return
            reap()

    def _answer(self) -> bool:
        packet = packets.receive(self._link)
        if packet is None:
            return False
        message, descriptors = packet
        if "spawn" in message:
            self._spawn(message["spawn"], message, descriptors[0])
            return self.role is None
        elif "branched" in message:
            self._fork_servers[message["branched"]] = look_up(message["pid"])
        elif fork_server := self._fork_servers.pop(message["kill"], None):
            send_signal(fork_server, signal.SIGKILL)
        return True

    def _spawn(self, name: str, message: dict[str, Any], descriptor: int) -> None:
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._go_on(message, descriptor, me)
            return
        self._fork_servers[name] = look_up(pid)
        os.close(descriptor)

    def _go_on(self, message: dict[str, Any], descriptor: int, me: int) -> None:
        """In the fork."""
        try:
            prctl.die_with(me)
            log = os.open(message["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for standard in (1, 2):
                os.dup2(log, standard)
            os.close(log)
            self.role = self._become(message, descriptor)
            self._link.close()
            for own in (self._pool, self.locks):
                if own is not None:
                    os.close(own)
        finally:
            if self.role is None:
                os._exit(127)


def _execute(message: Mapping[str, Any], descriptor: int) -> NoReturn:
    os.set_inheritable(descriptor, True)
    command = [*message["command"], str(descriptor)]
    os.execve(sys.executable, command, changed(message["variables"]))


def changed(variables: Mapping[str, str | None]) -> dict[str, str]:
    """This process's environment with these variables; None takes one away."""
    return {name: value for name, value in {**os.environ, **variables}.items() if value is not None}

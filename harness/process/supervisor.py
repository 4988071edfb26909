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
from pathlib import Path
from typing import Any, NoReturn

from harness.process import packets, prctl, scratch, shared_memory
from harness.process.descendants import Process, look_up, reap, send_signal, sweep

BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from harness.process.supervisor import main; main()"
"""What its interpreter is started with."""
_LOOK_EVERY_MS = 200


def main() -> None:
    """Serves until the pool is gone. Arguments: the folder of `harness`, descriptor, pool's pid, scratch."""
    _, _, descriptor, pool, folder = sys.argv
    before = shared_memory.present()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    prctl.name_process("refault-supervisor")
    prctl.adopt_orphans()
    link = socket.socket(fileno=int(descriptor))
    link.set_inheritable(False)
    try:
        scratch.make(folder)  # locked until this process is gone
        packets.send(link, {"ready": True})
        _Supervisor(link, int(pool)).serve()
    finally:
        scratch.note_used(Path(folder), os.getpid(), before)
        survivors = sweep(seconds=10)
        scratch.clear(folder)
        if survivors:
            sys.exit(f"refault: these processes cannot be killed: {', '.join(survivors)}")


class _Supervisor:
    def __init__(self, link: socket.socket, pool: int) -> None:
        self._link, self._pool = link, pool
        self._fork_servers: dict[str, Process | None] = {}

    def serve(self) -> None:
        try:
            poll = self._poll()
        except ProcessLookupError:
            return
        while os.getppid() == self._pool:
            for descriptor, _ in poll.poll(_LOOK_EVERY_MS):
                if descriptor != self._link.fileno() or not self._answer():
                    return
            reap()

    def _poll(self) -> select.poll:
        poll = select.poll()
        poll.register(self._link.fileno(), select.POLLIN)
        # Opened before the parent is checked: it is the pool's for certain, or the check fails.
        poll.register(os.pidfd_open(self._pool), select.POLLIN)
        return poll

    def _answer(self) -> bool:
        packet = packets.receive(self._link)
        if packet is None:
            return False
        message, descriptors = packet
        if "spawn" in message:
            self._spawn(message["spawn"], message, descriptors[0])
        elif "branched" in message:
            self._fork_servers[message["branched"]] = look_up(message["pid"])
        elif fork_server := self._fork_servers.pop(message["kill"], None):
            send_signal(fork_server, signal.SIGKILL)
        return True

    def _spawn(self, name: str, message: dict[str, Any], descriptor: int) -> None:
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_fork_server(message, descriptor, me)
        self._fork_servers[name] = look_up(pid)
        os.close(descriptor)

    def _become_fork_server(self, message: dict[str, Any], descriptor: int, me: int) -> NoReturn:
        try:
            prctl.die_with(me)
            log = os.open(message["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.set_inheritable(descriptor, True)
            changed = {**os.environ, **message["variables"]}
            environment = {name: value for name, value in changed.items() if value is not None}
            os.execve(sys.executable, [*message["command"], str(descriptor)], environment)
        finally:
            os._exit(127)

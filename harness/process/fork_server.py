"""A process that has imported what arms share and forks one watchdog, and so one arm, per job.

It never imports the code under test and keeps to one thread, so that a fork is a clean start. One may be the
base of others: a branch is a fork that goes on as a fork server of its own, with variables of its own.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.process import packets, prctl, preload, usage, watchdog
from harness.process.descendants import reap
from harness.process.job import read_json

BOOT = (
    "import json,sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from harness.process.fork_server import main; main()"
)
"""What its interpreter is started with."""


def main() -> None:
    """Serves until the pool is gone. Arguments: the search path, scratch, arm-only names, descriptor."""
    _, _, scratch, arm_only, descriptor = sys.argv
    prctl.name_process("refault-fork-server")
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = socket.socket(fileno=int(descriptor))
    link.set_inheritable(False)
    _ForkServer(link, Path(scratch), frozenset(arm_only.split())).serve()


class _ForkServer:
    def __init__(self, link: socket.socket, scratch: Path, arm_only: frozenset[str]) -> None:
        self._link, self._scratch, self._arm_only = link, scratch, arm_only

    def serve(self) -> None:
        # Collecting cycles while thousands of modules load is time lost; arms switch it on again.
        gc.disable()
        while packet := packets.receive(self._link):
            reap()
            message, descriptors = packet
            if "preload" in message:
                self._preload(Path(message["preload"]))
            elif "branch" in message:
                self._branch(message, *descriptors)
            else:
                self._fork(message, descriptors)

    def _preload(self, listed: Path) -> None:
        for module, problem in preload.load(read_json(listed), self._arm_only):
            packets.send(self._link, {"module": module, "problem": problem[:2000]})
        packets.send(self._link, {"preloaded": str(listed)})
        # What is here now will stay: keeping the collector off it keeps its pages shared with the arms.
        gc.freeze()

    def _branch(self, message: Mapping[str, Any], descriptor: int) -> None:
        """In the fork: goes on as another fork server, on a link of its own."""
        me = os.getpid()
        if os.fork():
            os.close(descriptor)
            return
        prctl.die_with(me)
        written = os.open(message["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for standard in (1, 2):
            os.dup2(written, standard)
        os.close(written)
        for name, value in message["variables"].items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        self._link.close()
        self._link, self._arm_only = socket.socket(fileno=descriptor), frozenset(message["arm_only"])
        packets.send(self._link, {"branched": os.getpid()})

    def _fork(self, message: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        threads = usage.threads(os.getpid())
        if threads > 1:
            packets.send(self._link, {"threads": threads})
        sys.stdout.flush()
        sys.stderr.flush()
        if os.fork() == 0:
            link, stream = descriptors
            self._become_watchdog(message, socket.socket(fileno=link), stream)
        for descriptor in descriptors:
            os.close(descriptor)

    def _become_watchdog(self, message: Mapping[str, Any], link: socket.socket, stream: int) -> None:
        code = 70
        try:
            temporary = self._scratch / str(message["number"])
            close = [self._link.fileno()]
            watchdog.mind(Path(message["job"]), temporary, link, stream, close, self._arm_only)
            code = 0
        except BaseException:  # noqa: BLE001 - it goes to the log, and the lost link tells the pool
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

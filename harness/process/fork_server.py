"""A process that has imported what arms share and forks one watchdog, and so one arm, per job.

It never imports the code under test and keeps to one thread, so that a fork is a clean start. One may be the
base of others: a branch is a fork that goes on as a fork server of its own, with variables of its own. A
branch that is a trunk does import the code under test, up to where the trees of its arms differ. And one may
be held ready, and be forked for one pool after another (harness.process.warm).
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from harness.errors import Unresolved
from harness.process import arm, packets, prctl, preload, recall, trunk, usage, watchdog
from harness.process.descendants import reap
from harness.process.job import read_json
from harness.process.recall.kept import Kept
from harness.process.warm import lending

BOOT = (
    "import json,sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from harness.process.fork_server import main; main()"
)
"""What its interpreter is started with."""
_YIELDING = 10
"""By how much one is nicer that lets others have the processor first: a tenth is left to it beside one."""


def main() -> None:
    """Serves until the pool is gone. Arguments: the search path, scratch, arm-only names, descriptor.

    Before the last the process may be named with which it is to end, where no supervisor sees to that.
    """
    _, _, scratch, arm_only, *parent, descriptor = sys.argv
    for pid in parent:
        prctl.die_with(int(pid))
    prctl.name_process("refault-fork-server")
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = socket.socket(fileno=int(descriptor))
    link.set_inheritable(False)
    _ForkServer(link, Path(scratch), frozenset(arm_only.split())).serve()


class _ForkServer:
    def __init__(self, link: socket.socket, scratch: Path, arm_only: frozenset[str]) -> None:
        self._link, self._scratch, self._arm_only = link, scratch, arm_only
        self._shut = False
        self._kept: Kept | None = None
        self._recalling = ExitStack()

    @property
    def _generated(self) -> Path:
        """Where a trunk tells what was generated in it."""
        return self._scratch / f"generated-{os.getpid()}"

    def serve(self) -> None:
        """Serve until the pool is gone; in the fork of an arm, be that."""
        # Collecting cycles while thousands of modules load is time lost; arms switch it on again.
        gc.disable()
        if forked := self._forked():
            arm.run(forked, self._arm_only)

    def _forked(self) -> arm.Forked | None:
        """Serves until the pool is gone. Returns in each arm as well, with what makes an arm of the fork."""
        while packet := packets.receive(self._link):
            reap()
            message, descriptors = packet
            if "preload" in message:
                self._preload(Path(message["preload"]), message["recalled"])
            elif "branch" in message:
                self._branch(message, *descriptors)
            elif "loaded" in message:
                lending.tell_loaded(Path(message["loaded"]), message["since"])
            elif "lend" in message:
                self._lend(message["lend"], descriptors)
            elif forked := self._fork(message, descriptors):
                return forked
        return None

    def _preload(self, listed: Path, recalled: str | None) -> None:
        if recalled and self._kept is None:
            self._kept = Kept(Path(recalled))
        with recall.ahead(self._kept):
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
        if message["yields"]:
            os.nice(_YIELDING)
        packets.send(self._link, {"branched": os.getpid()})
        if "trunk" in message:
            self._grow(read_json(Path(message["trunk"])))

    def _lend(self, message: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        """In the fork: goes on as the fork server of a pool, below a supervisor of that."""
        if role := lending.lend(message, descriptors, self._link, self._scratch):
            self._link, self._scratch = role

    def _grow(self, asked: Mapping[str, Any]) -> NoReturn:
        """In the fork: goes on as a trunk."""
        with self._recalling:
            self._recalling.enter_context(recall.in_trunk(self._kept, self._generated))
            problem = trunk.grow(asked, self._part, self._scratch, self._arm_only)
        packets.send(self._link, {"ungrown": problem[:2000]})
        os._exit(0)

    def _part(self, is_shut: bool) -> arm.Forked:
        """Where the arms of a trunk part: serves, and returns in each of them. Unresolved with threads."""
        self._shut = is_shut
        if (threads := usage.threads(os.getpid())) > 1:
            raise Unresolved(f"what the arms have in common started {threads - 1} threads")
        self._recalling.close()  # an arm has the packages as they are
        gc.freeze()
        packets.send(self._link, {"grown": os.getpid(), "generated": str(self._generated)})
        return self._forked() or os._exit(0)

    def _fork(self, message: Mapping[str, Any], descriptors: Sequence[int]) -> arm.Forked | None:
        threads = usage.threads(os.getpid())
        if threads > 1:
            packets.send(self._link, {"threads": threads})
        sys.stdout.flush()
        sys.stderr.flush()
        if os.fork() == 0:
            link, stream = descriptors
            return self._become_watchdog(message, socket.socket(fileno=link), stream)
        for descriptor in descriptors:
            os.close(descriptor)
        return None

    def _become_watchdog(self, message: Mapping[str, Any], link: socket.socket, stream: int) -> arm.Forked:
        """Ends with the arm that it minds; returns in that alone."""
        code, forked = 70, None
        try:
            temporary = self._scratch / str(message["number"])
            close = [self._link.fileno()]
            forked = watchdog.mind(Path(message["job"]), temporary, link, stream, close, self._shut)
            code = 0
        except BaseException:  # noqa: BLE001 - it goes to the log, and the lost link tells the pool
            sys.excepthook(*sys.exc_info())
        return forked or os._exit(code)

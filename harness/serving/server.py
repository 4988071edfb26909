"""One real server from start to end."""

from __future__ import annotations

import contextlib
import os
import resource
import secrets
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from harness.observation import Exit, Fault
from harness.process import descendants, log, scratch, usage
from harness.serving import ending, evidence, family, launch, logs, ports, readiness
from harness.serving.ending import Ending, Found
from harness.serving.launch import Command
from harness.serving.ports import HOST, Ports
from harness.serving.prepared import Prepared, Process
from harness.serving.reports import Lines
from harness.serving.segments import Segments

GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL. Upstream looks at SIGTERM every five: it has nothing to tell then."""
REPORTS = "reports"
"""The folder, beside a server's log, in which its processes report."""
_GONE_WITHIN = 10.0
_LOOK_AT_SEGMENTS_EVERY = 1.0
_FREE_WITHIN = 5.0
"""Seconds for the kernel to close what a process held: it is a zombie as soon as its first thread is."""


class Server:
    """A server that runs while the context is open.

    `folder` takes its log. `at` are ports reserved beforehand; without it they are chosen on entry.
    `told` gives what its processes were heard to say, where somebody hears them. `prepared` is a process
    that waits to be the first of them. Entering raises Unresolved
    where ports, folder or program are not to be had. Leaving the context stops the server, whatever
    happened; `stop` does so before and says how it went. `started` and `ready` are when its first process
    was and it answered, in seconds of time.monotonic().
    """

    def __init__(
        self,
        command: Command,
        folder: Path,
        at: Ports | None = None,
        grace: float = GRACE,
        told: Callable[[], Lines] | None = None,
        prepared: Prepared | None = None,
    ) -> None:
        self._told, self._prepared = told, prepared
        self.command, self.folder, self.grace = command, folder, grace
        self.log = folder / "server.log"
        self.key = secrets.token_hex(16)
        self._ports = at
        self._ending: Ending | None = None
        self._segments = Segments()
        self._looked = 0.0
        self._family: Sequence[int] = ()
        self._working: tuple[tuple[str, descendants.Process], ...] = ()
        self.started = self.ready = 0.0

    @property
    def ports(self) -> Ports:
        assert self._ports is not None, "ports are chosen when the server is entered"
        return self._ports

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.ports.base}"

    @property
    def pid(self) -> int:
        """Of the first process."""
        return self._popen.pid

    def __enter__(self) -> Server:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ports = self._ports or ports.reserve()
        self._temporary = launch.make_temporary()
        self._kills_before = usage.kernel_kills()
        self._file_limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        self.started = time.monotonic()
        try:
            self._popen = self._start()
        except BaseException:
            self._ports.release()
            shutil.rmtree(self._temporary, ignore_errors=True)
            raise
        self._pidfd = os.pidfd_open(self._popen.pid)
        leader = descendants.look_up(self._popen.pid)
        assert leader is not None  # it is our child and not yet reaped
        self._leader = leader
        return self

    def _start(self) -> subprocess.Popen[bytes] | Process:
        return launch.start(self.command, self.ports, self.key, self._temporary, self.log, self._prepared)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_ready(self, seconds: float) -> Ending | None:
        """None as soon as the server is ready; else its ending, when it died or `seconds` have passed."""
        state = readiness.wait(self._pidfd, self.ports.base, self.key, seconds, self._look)
        if state == "ready":
            self.ready = time.monotonic()
            self._note_segments()
            self._working = family.working(self.pid)
            return None
        if state == "died":
            return self.stop()
        return self.stop((Fault(kind="hang", process="server", message=f"not ready within {seconds:g} s"),))

    def _look(self) -> Sequence[int]:
        """Its processes, as of the last look around."""
        now = time.monotonic()
        if now - self._looked > _LOOK_AT_SEGMENTS_EVERY or self._segments.has_news:
            self._looked = now
            self._note_segments()
            log.trim(self.log)
        return self._family

    def _note_segments(self) -> None:
        self._family = [self.pid, *(process.pid for process in family.of(self.pid))]
        self._segments.look(self._family)
        with contextlib.suppress(OSError):  # it is for the case that we are killed, and no loss before it
            scratch.note(self._temporary, self._segments.mine())

    def wait_end(self, seconds: float) -> bool:
        """Whether the first process ends within `seconds`: it may need a moment after it lost a child."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def lost(self) -> tuple[str, ...]:
        """Roles of processes that served when the server was ready, and are gone."""
        return tuple(role for role, process in self._working if not family.is_alive(process))

    def stopped(self) -> tuple[str, ...]:
        """Roles of processes that a signal has stopped: they look like a hang."""
        return tuple(family.role(process, self.pid) for process in family.stopped(self.pid))

    def processes(self) -> tuple[tuple[str, int], ...]:
        """(role, pid) of everything of this server that runs now."""
        return tuple((family.role(process, self.pid), process.pid) for process in family.of(self.pid))

    def tail(self, size: int = 1 << 20) -> str:
        """The last `size` bytes of the log."""
        return log.tail(self.log, size)

    def stop(self, trouble: tuple[Fault, ...] = ()) -> Ending:
        """Ends whatever still runs and clears up; `trouble` are faults that the caller saw, like a hang.

        Faults are read from the log as it was before: a server that is being ended says many things.
        """
        if self._ending is None:
            evidence.show(self.folder / REPORTS, self.log)
            found = self._found(trouble)
            self._note_segments()
            survivors = family.end(self._leader, self.grace, _GONE_WITHIN)
            self._ending = self._conclude(found, survivors)
        return self._ending

    def _found(self, trouble: tuple[Fault, ...]) -> Found:
        return Found(
            exit=self._exit(),
            log=self.log,
            text=log.tail(self.log, log.LARGEST),
            own=evidence.read(self.folder / REPORTS, self._told() if self._told else None),
            trouble=trouble,
            lost=self.lost(),
            file_limit=self._file_limit,
            kernel_kills=usage.kernel_kills() - self._kills_before,
        )

    def _conclude(self, found: Found, survivors: tuple[descendants.Process, ...]) -> Ending:
        faults, unresolved = ending.conclude(found)
        return Ending(
            exit=found.exit or Exit(how="stopped"),
            faults=faults,
            unresolved=unresolved,
            last_lines=logs.last_lines(found.text),
            log=str(self.log),
            seconds=time.monotonic() - self.started,
            survivors=tuple(family.role(process, self.pid) for process in survivors),
            occupied=self._clear_up(bool(survivors)),
            segments=self._segments.remove() if not survivors else (),
        )

    def _clear_up(self, survived: bool) -> tuple[int, ...]:
        """Reaps the first process and frees what was held for it; the ports that are not free again."""
        with contextlib.suppress(subprocess.TimeoutExpired):  # it is among the survivors then
            self._popen.wait(timeout=0.1 if survived else _GONE_WITHIN)
        os.close(self._pidfd)
        deadline = time.monotonic() + _FREE_WITHIN
        while (occupied := self.ports.occupied()) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.ports.release()
        shutil.rmtree(self._temporary, ignore_errors=True)
        return occupied

    def _exit(self) -> Exit | None:
        """How the first process ended; None while it runs. Unreaped, so that its pid stays its own."""
        status = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        return ending.exit_of(status) if status else None

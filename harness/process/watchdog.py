"""One process beside every arm: holds it to its limits and ends whatever it started."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.process import arm, confine, descendants, log, packets, prctl, scratch, shared_memory, usage
from harness.process.ending import LOST, OUT_OF_MEMORY, TIME_OUT
from harness.process.job import Files, read_json
from harness.process.patience import Patience

_LOOK_EVERY = 0.02
"""Seconds between looks at the arm's memory: at a few GB/s of page faults some 100 MB of overshoot."""
_LOOK_AROUND_EVERY = 0.5
"""Seconds between looks at its log and for descendants, which cost a scan of /proc."""
_LOOK_AT_FAMILY_EVERY = 0.1
"""The same while it has descendants."""
_DUMP_GRACE = 0.25
_LEFTOVER_GRACE = 0.1
_ABANDONED = "abandoned"


def mind(
    job_file: Path,
    temporary: Path,
    link: socket.socket,
    stream: int,
    close: list[int],
    is_shut: bool,
) -> arm.Forked | None:
    """Minds an arm that it forks, and reports on `link` how it ended; `stream` is the arm's.

    Where folders of this process `is_shut` already, those of this arm are opened for both.

    Returns twice: at once in the fork, with what makes an arm of it, and here once that has ended, with None.

    The report: `killed_for` and `message` (what this process ended it for, if it did), `code` or
    `signal`, `seconds`, `leftovers`, `survivors` (of a SIGKILL), `kernel_kills` (by the kernel,
    anywhere, meanwhile). None is sent if pool or fork server are gone.
    """
    fork_server, me = os.getppid(), os.getpid()
    prctl.name_process("refault-watchdog")
    prctl.adopt_orphans()
    job = read_json(job_file)
    if is_shut:
        temporary.mkdir(mode=0o700)
        confine.shut(arm.protected(job, temporary))
    kills_before, baseline, before = usage.kernel_kills(), usage.anonymous(me), shared_memory.present()
    pid = os.fork()
    if pid == 0:
        return arm.Forked(job, temporary, me, stream, [*close, link.detach()])
    for descriptor in (*close, stream):
        os.close(descriptor)
    try:
        packets.send(link, {"started": pid})
        report = _Watch(job, pid, baseline, link, fork_server).report(
            lambda: scratch.note_used(temporary, me, before)
        )
    finally:
        survivors = descendants.sweep(seconds=5)
    if report:
        kills = usage.kernel_kills() - kills_before
        packets.send(link, {**report, "survivors": survivors, "kernel_kills": kills})
    return None


class _Watch:
    def __init__(
        self, job: Mapping[str, Any], pid: int, baseline: int, link: socket.socket, fork_server: int
    ) -> None:
        self._files = Files(Path(job["folder"]))
        self._patience = Patience(job["seconds"])
        self._memory: int = job["memory_mb"] << 20
        self._pid, self._baseline, self._link, self._fork_server = pid, baseline, link, fork_server
        self._started = time.monotonic()
        self._look_around = self._started + _LOOK_AROUND_EVERY
        self._family = [pid]

    def report(self, before_the_end: Callable[[], None]) -> dict[str, Any] | None:
        """Waits for the arm's end, or brings it about; None if nobody wants to know any more."""
        killed_for = self._wait()
        before_the_end()
        if killed_for == _ABANDONED:
            return None
        message = self._message(killed_for)
        if killed_for == TIME_OUT:
            self._dump_stacks()
        seconds = time.monotonic() - self._started
        leftovers = self._end_all(grace=0 if killed_for else _LEFTOVER_GRACE)
        code, number = self._status()
        return {
            "killed_for": killed_for, "message": message, "code": code, "signal": number,
            "seconds": seconds, "leftovers": leftovers,
        }  # fmt: skip

    def _wait(self) -> str | None:
        """Until the arm has ended by itself (None) or must be ended, and why."""
        poll = self._poll()
        while not self._has_ended():
            if why := self._exceeded():
                return why
            ready = [descriptor for descriptor, _ in poll.poll(_LOOK_EVERY * 1000)]
            if os.getppid() != self._fork_server:
                return _ABANDONED
            if self._link.fileno() in ready and (why := self._told()):
                return why
        return None

    def _told(self) -> str | None:
        """What the pool says: that the arm answered, that it is to stop, or nothing any more."""
        packet = packets.receive(self._link)
        if packet is None:
            return _ABANDONED
        if "answered" not in packet[0]:
            return LOST
        self._patience.answered()
        return None

    def _exceeded(self) -> str | None:
        now = time.monotonic()
        if self._patience.is_over(self._family):
            return TIME_OUT
        if usage.anonymous(self._pid) - self._baseline > self._memory:
            return OUT_OF_MEMORY
        if now < self._look_around:
            return None
        log.trim(self._files.log)
        packets.send(self._link, {"minding": self._pid})
        self._family = [process.pid for process in descendants.descendants(os.getpid())]
        self._look_around = now + (_LOOK_AT_FAMILY_EVERY if len(self._family) > 1 else _LOOK_AROUND_EVERY)
        return OUT_OF_MEMORY if self._use_too_much(self._family) else None

    def _poll(self) -> select.poll:
        # The fork server's end is seen by the change of parent, one look later at most.
        poll = select.poll()
        poll.register(os.pidfd_open(self._pid), select.POLLIN)
        poll.register(self._link.fileno(), select.POLLIN)
        return poll

    def _has_ended(self) -> bool:
        # Left unreaped on purpose: as long as it is, its pid and its group are nobody else's.
        return bool(os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT | os.WNOHANG))

    def _use_too_much(self, pids: list[int]) -> bool:
        # The first sum counts what forks inherit again and again, so it only says when to look closely.
        if usage.resident(pids) - self._baseline <= self._memory:
            return False
        return usage.proportional(pids) > self._memory

    def _message(self, killed_for: str | None) -> str | None:
        if killed_for == OUT_OF_MEMORY:
            return f"used more than its limit of {self._memory >> 20} MB"
        if killed_for == LOST:
            return "its pool stopped it"
        if killed_for == TIME_OUT:
            process = descendants.look_up(self._pid)
            stopped = " (it was stopped by a signal)" if process and process.state in "Tt" else ""
            return f"no answer within {self._patience.seconds:g} s{stopped}"
        return None

    def _dump_stacks(self) -> None:
        """Asks the arm for its stacks and gives it a moment to write them."""
        with self._files.log.open("ab") as file:
            file.write(
                f"\n[time-out: no answer within {self._patience.seconds:g} s; stacks of the arm:]\n".encode()
            )
        os.kill(self._pid, arm.DUMP_SIGNAL)
        deadline = time.monotonic() + _DUMP_GRACE
        while time.monotonic() < deadline and not self._has_ended():
            time.sleep(0.02)

    def _end_all(self, grace: float) -> list[str]:
        """Ends the arm and everything below it; the names of what was there beside the arm."""
        others = self._others()
        deadline = time.monotonic() + grace
        while others and time.monotonic() < deadline:
            time.sleep(0.01)
            others = self._others()
        # The group at one blow first: what forks faster than /proc is read cannot run from that.
        with contextlib.suppress(ProcessLookupError):  # it may not yet have made its own session
            os.killpg(self._pid, signal.SIGKILL)
        os.kill(self._pid, signal.SIGKILL)
        return sorted(process.name for process in others)

    def _others(self) -> list[descendants.Process]:
        below = descendants.descendants(os.getpid())
        return [process for process in below if process.pid != self._pid and not process.ended]

    def _status(self) -> tuple[int | None, int | None]:
        ended = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        if ended.si_code == os.CLD_EXITED:
            return ended.si_status, None
        return None, ended.si_status

"""A pool's way to a process that stands ready: asked for a fork server, refused in words, or given up."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import Unresolved
from harness.foreign import cause
from harness.process import packets
from harness.process.job import Environment
from harness.process.launch import Supervisor
from harness.process.warm.place import Place, peer
from harness.process.warm.request import Answer, Request, lists
from harness.process.warm.surroundings import Surroundings, unread

PATIENCE = 2.0
"""Seconds until a pool that was not answered starts its own."""
_STDERR = 2
_log = logging.getLogger(__name__)


class _NotLent(Exception):
    """Why there is none; `is_told` where whoever started a warm process would wonder."""

    def __init__(self, why: str, *, is_told: bool = True) -> None:
        super().__init__(why)
        self.is_told = is_told


class Lender:
    """Asks the warm process of one folder. A pool that was left without an answer once asks no more."""

    def __init__(self, folder: Path, patience: float = PATIENCE) -> None:
        self._place, self._patience = Place(folder), patience
        self._is_given_up = False

    @property
    def is_there(self) -> bool:
        """Whether a warm process has the folder, be it ready or not."""
        return self._place.holder() is not None

    def lend(self, environment: Environment) -> Supervisor | None:
        """A supervisor that was forked for this pool, the one fork server that it starts being of this
        environment; None where there is none, which is logged."""
        if self._is_given_up:
            return None
        try:
            return _Lent(self._place, environment, time.monotonic() + self._patience)
        except TimeoutError:
            self._is_given_up = True
            self._tell(_NotLent(f"it did not answer within {self._patience:g} s"))
        except OSError as error:
            self._tell(_NotLent(cause(error)))
        except (_NotLent, ValueError, Unresolved) as error:
            self._tell(error)
        return None

    def _tell(self, error: Exception) -> None:
        level = logging.WARNING if getattr(error, "is_told", True) else logging.INFO
        _log.log(level, "what `refault warm` holds is not used: %s", error)


class _Lent(Supervisor):
    """One that a warm process forked: no child of this process, so its end is waited for by a pidfd."""

    def __init__(self, place: Place, environment: Environment, deadline: float) -> None:
        self._place, self._environment, self._deadline = place, environment, deadline
        super().__init__()
        try:
            self._take()
        except BaseException:
            self._link.close()  # a supervisor that is still to come finds nobody there, and ends
            raise

    @property
    def pid(self) -> int:
        return self._pid

    def _start(self, descriptor: int) -> None:
        try:
            answer = self._ask(descriptor)
        except BaseException:
            self._link.close()
            raise
        if answer.declined is not None:
            self._link.close()
            raise _NotLent(answer.declined, is_told=not answer.is_usual)

    def _ask(self, descriptor: int) -> Answer:
        request = Request(
            surroundings=Surroundings.here(),
            environment=self._environment.key,
            lists=lists(self._environment),
            scratch=str(self.scratch),
            variables=unread(),
        )
        with self._connected() as link, _pidfd() as handle:
            packets.send(link, request.to_json(), [descriptor, handle, _STDERR])
            packet = packets.receive(link)
        if packet is None:
            raise _NotLent("it ended before it had answered")
        answer = Answer.from_json(packet[0])
        if answer.declined is None and answer.lent != request.surroundings.digest:
            raise _NotLent("it did not compare what this process compares")
        return answer

    def _connected(self) -> socket.socket:
        if problem := self._place.problem():
            raise _NotLent(f"{self._place.folder} {problem}")
        link = self._place.connect()
        if link is None:
            pid = self._place.holder()
            raise _NotLent(f"process {pid} is not ready yet" if pid else "there is none", is_told=bool(pid))
        link.settimeout(self._left())
        if peer(link).user != os.getuid():
            link.close()
            raise _NotLent("it is another user's")
        return link

    def _take(self) -> None:
        """The supervisor's first word, which it says once it is there."""
        self._link.settimeout(self._left())
        packet = packets.receive(self._link)
        if packet is None:
            raise _NotLent("it did not fork")
        self._link.settimeout(None)
        message, (self._handle,) = packet
        self._pid, self._is_ready = int(message["pid"]), True

    def _left(self) -> float:
        return max(0.001, self._deadline - time.monotonic())

    def _wait_for_end(self, seconds: float) -> None:
        if not _has_ended(self._handle, seconds):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            _has_ended(self._handle, seconds)
        os.close(self._handle)


def _has_ended(handle: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


@contextmanager
def _pidfd() -> Iterator[int]:
    """By which a supervisor sees the end of this process; no other can come into its place meanwhile."""
    handle = os.pidfd_open(os.getpid())
    try:
        yield handle
    finally:
        os.close(handle)

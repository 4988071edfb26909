"""The trunks of a pool: which there are, who waits for one to grow, and when one is not needed any more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from harness.process.job import Ended, Job
from harness.process.launch import ForkServer

_log = logging.getLogger(__name__)

SECONDS = 120.0
"""What a trunk may take to grow: upstream's import takes some seconds on an idle machine."""


class Waiting(NamedTuple):
    """What a lane takes next: what has the lowest place, and of equals the first that came.

    One that `grows` is to have the trunk of its job grown, and not the job run.
    """

    place: tuple[int, float]
    number: int
    given: tuple[Job, Future[Ended]] | None
    grows: bool = False

    @classmethod
    def of(cls, job: Job, future: Future[Ended], number: int) -> Waiting:
        return cls((job.turn, -job.effort), number, (job, future))


class _State(Enum):
    GROWING = auto()
    GROWN = auto()
    BARREN = auto()
    """It cannot be grown, so that its arms are run by themselves."""


@dataclass(eq=False)
class _Trunk:
    state: _State = _State.GROWING
    pending: int = 0
    held: list[Waiting] = field(default_factory=list)
    server: ForkServer | None = None


class Trunks:
    """Has a trunk grown ahead of the first arm that needs it, and ended behind the last that was submitted.

    Meanwhile its arms wait here and hold no lane. `put` has an arm run by a lane, and `put_growing` a trunk
    grown; `plant` starts one.
    """

    def __init__(
        self, put: Callable[[Waiting], None], put_growing: Callable[[Waiting], None],
        plant: Callable[[Job], ForkServer | None],
    ) -> None:  # fmt: skip
        self._put, self._put_growing, self._plant = put, put_growing, plant
        self._lock = threading.Lock()
        self._let_go = threading.Condition(self._lock)
        self._trunks: dict[str, _Trunk] = {}
        self._barren: set[str] = set()

    def submit(self, waiting: Waiting) -> None:
        """Have an arm run, once its trunk is there."""
        assert waiting.given is not None  # only who closes a pool gives nothing
        with self._lock:
            if (shared := waiting.given[0].shares) is None:
                self._put(waiting)
                return
            state = _State.BARREN if shared in self._barren else _State.GROWING
            trunk = self._trunks.setdefault(shared, _Trunk(state))
            trunk.pending += 1
            if trunk.state is not _State.GROWING:
                self._put(waiting)
                return
            trunk.held.append(waiting)
            if trunk.pending == 1:
                self._put_growing(waiting._replace(grows=True))

    def grow(self, waiting: Waiting) -> None:
        """In a lane: grow the trunk of this job, and let go of the arms that wait for it."""
        assert waiting.given is not None
        job, _ = waiting.given
        trunk = self._trunks[job.shares or ""]
        try:
            trunk.server = self._plant(job)
        except Exception as error:  # noqa: BLE001 - its arms will meet the same, and tell of it
            _log.info("no trunk for %s: %s", job.folder, error)
        has_grown = trunk.server is not None and trunk.server.has_grown(SECONDS)
        with self._lock:
            trunk.state = _State.GROWN if has_grown else _State.BARREN
            if not has_grown:
                self._barren.add(job.shares or "")
                _log.info("no trunk for %s: %s", job.folder, trunk.server and trunk.server.ungrown)
            held, trunk.held = trunk.held, []
        for one in held:
            self._put(one)
        with self._lock:
            self._let_go.notify_all()

    def is_ahead_of(self, waiting: Waiting) -> bool:
        """Whether arms of a lower place wait for a trunk. Where some do, it returns once any were let go."""
        with self._lock:
            held = (one for trunk in self._trunks.values() for one in trunk.held)
            if all(one.place >= waiting.place for one in held):
                return False
            self._let_go.wait(SECONDS)
            return True

    def of(self, job: Job) -> ForkServer | None:
        """What a job is to be forked from; None if that is no trunk."""
        trunk = self._trunks.get(job.shares or "")
        if trunk is None or trunk.server is None or trunk.state is not _State.GROWN:
            return None
        return None if trunk.server.has_ended() else trunk.server

    def left(self, job: Job) -> None:
        """This job is done; behind the last one a trunk ends."""
        with self._lock:
            if (trunk := self._trunks.get(job.shares or "")) is None:
                return
            trunk.pending -= 1
            if trunk.pending:
                return
            del self._trunks[job.shares or ""]
        if trunk.server:
            trunk.server.close()

    def cancel(self) -> None:
        """Cancel the arms that wait for a trunk."""
        with self._lock:
            held = [waiting for trunk in self._trunks.values() for waiting in trunk.held]
            self._let_go.notify_all()
        for waiting in held:
            if waiting.given:
                waiting.given[1].cancel()

    def close(self) -> None:
        """Give back what there is; the supervisor ends the processes."""
        for trunk in list(self._trunks.values()):
            if trunk.server:
                trunk.server.close()

"""Runs arms, so many at once, each in a process of its own."""

from __future__ import annotations

import logging
import queue
import select
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.errors import BadInput, Unresolved
from harness.process import packets, recall, scratch
from harness.process.confine import Protected
from harness.process.ending import conclude, lost
from harness.process.hearing import Hearing
from harness.process.job import Ended, Environment, Job, write_json
from harness.process.kept import Kept
from harness.process.launch import ForkServer, Supervisor
from harness.process.protection import Protection, chosen
from harness.process.trunks import Trunks, Waiting
from harness.process.warm.lender import Lender

_log = logging.getLogger(__name__)

_SLACK = 30.0
"""Seconds of silence after which a watchdog itself is given up."""
_STARTS = 2
"""How often a fork server of one environment is started before it is given up."""


Lease = Callable[[int], AbstractContextManager[Mapping[str, str]]]
"""Takes how many devices an arm needs; gives the variables that say which."""


def _nothing(devices: int = 0) -> AbstractContextManager[Mapping[str, str]]:
    return nullcontext({})


class Pool:
    """At most `lanes` arms at a time, those of most effort first. A context manager.

    A fork server is started when an environment is first needed, and an arm has `start_seconds` from then
    until it runs. With `learn`, what one arm had to import itself is imported ahead of the next. What
    `lease` gives is an arm's for as long as it runs, if it needs devices. A fork server that `lender` has
    ready is not started anew. With `first`, arms of least effort come first, and wait for nothing but what is
    theirs: trunks grow beside the lanes, which take no other arm before, and the environment that comes first
    is a fork of no base, which would import less at first; all that comes behind it yields the processor.
    Where no arm can write the file `recalled`, it keeps what modules work out as they are imported.
    Closing kills whatever runs. `protection` is how arms are kept from writing what is not theirs; without
    it the machine's best. Raises BadInput without a lane or off Linux, Unresolved if nothing can be started.
    """

    def __init__(
        self,
        lanes: int,
        *,
        learn: bool = True,
        start_seconds: float = 180.0,
        lease: Lease = _nothing,
        protection: Protection | None = None,
        lender: Lender | None = None,
        first: bool = False,
        recalled: Path | None = None,
    ) -> None:
        if lanes < 1:
            raise BadInput(f"{lanes} lanes run nothing: give at least 1")
        if sys.platform != "linux":
            raise BadInput(f"arms need Linux, not {sys.platform}: run in a container")
        self._learn, self._start_seconds, self._lease = learn, start_seconds, lease
        self._supervisor = Supervisor()
        self.protection = protection or self._chosen()
        self._first = first
        self._recalled = recalled if self.protection is Protection.READ_ONLY else None
        self._queue: queue.PriorityQueue[Waiting] = queue.PriorityQueue()
        self._growing = queue.PriorityQueue[Waiting]() if first else self._queue
        self._numbers, self._asked = count(1), count(1)
        self._trunks = Trunks(self._queue.put, self._growing.put, self._trunk)
        self._lock = threading.RLock()
        self._fork_servers: dict[str, list[ForkServer]] = {}
        self._learned: dict[str, dict[str, None]] = {}
        self._foremost: str | None = None
        self._planted: list[ForkServer] = []
        self._closed = False
        self._lender = lender
        self._lent: list[Supervisor] = []
        queues = [*[self._queue] * lanes, *[self._growing] * first]
        self._lanes = [
            threading.Thread(target=self._work, args=(each,), name=f"refault-lane-{n}", daemon=True)
            for n, each in enumerate(queues)
        ]
        for lane in self._lanes:
            lane.start()

    def _chosen(self) -> Protection:
        """The machine's best, which is tried while the supervisor comes to be."""
        try:
            return chosen()
        except BaseException:
            self._supervisor.close()
            raise

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, job: Job) -> Future[Ended]:
        """Queues an arm. The future raises nothing but Unresolved; how the arm ended is in its result."""
        with self._lock:
            if self._closed:
                raise Unresolved("the pool is closed: no arm can be started")
            future: Future[Ended] = Future()
            job = replace(job, effort=-job.effort) if self._first else job
            self._trunks.submit(Waiting.of(job, future, next(self._asked)))
        return future

    def warm(self, environment: Environment) -> None:
        """Starts an environment's fork server ahead of its first arm; returns at once."""
        self._fork_server(environment)

    def learned(self, environment: Environment) -> tuple[str, ...]:
        """Modules to preload next time: what its fork server holds, and what its arms had to import."""
        with self._lock:
            fork_servers = self._fork_servers.get(environment.key, [])
            dropped = {module for fork_server in fork_servers for module in fork_server.dropped}
            known = [*environment.preload, *self._learned.get(environment.key, {})]
            return tuple(module for module in dict.fromkeys(known) if module not in dropped)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the fork servers had to say: modules not preloaded, threads where there should be none."""
        with self._lock:
            return tuple(
                note
                for fork_servers in self._fork_servers.values()
                for fork_server in fork_servers
                for note in fork_server.notes
            )

    @property
    def supervisor(self) -> int:
        """The pid of the process below which all others are but those that were lent."""
        return self._supervisor.pid

    @property
    def threaded(self) -> bool:
        """Whether an arm was forked from a process with threads, so that it may have hung for it."""
        with self._lock:
            return any(
                fork_server.threaded
                for fork_servers in self._fork_servers.values()
                for fork_server in fork_servers
            )

    def close(self) -> None:
        """Kills every process of this pool and waits for that; arms under way are lost, others cancelled."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._cancel_waiting()
        supervisors = [self._supervisor, *self._lent]
        for supervisor in supervisors:
            supervisor.dismiss()
        for supervisor in supervisors:
            supervisor.close()
        for lane in self._lanes:
            if lane is not threading.current_thread():
                lane.join(timeout=5)
        for fork_servers in self._fork_servers.values():
            for fork_server in fork_servers:
                fork_server.close()
        self._trunks.close()
        self._learn_generated()

    def _learn_generated(self) -> None:
        """Keep for later fork servers and trunks what was generated in those of this pool."""
        if self._recalled and (told := [one.generated for one in self._planted if one.generated]):
            recall.learn(self._recalled, told)

    def _cancel_waiting(self) -> None:
        self._trunks.cancel()
        while not self._queue.empty():
            if given := self._queue.get().given:
                given[1].cancel()
        for _ in self._lanes:
            for each in {id(each): each for each in (self._queue, self._growing)}.values():
                each.put(Waiting((0, 0.0), next(self._asked), None))

    # --- one lane ---------------------------------------------------------------------------

    def _work(self, waits: queue.PriorityQueue[Waiting]) -> None:
        while given := (waiting := waits.get()).given:
            if waiting.grows:
                self._trunks.grow(waiting)
                continue
            if self._first and self._trunks.is_ahead_of(waiting):
                self._put_back(waiting)
                continue
            job, future = given
            try:
                if future.set_running_or_notify_cancel():
                    self._settle(job, future)
            finally:
                self._trunks.left(job)

    def _put_back(self, waiting: Waiting) -> None:
        """Have an arm wait again, or cancelled where the others that waited have been meanwhile."""
        with self._lock:
            if not self._closed:
                self._queue.put(waiting)
            elif waiting.given:
                waiting.given[1].cancel()

    def _settle(self, job: Job, future: Future[Ended]) -> None:
        try:
            with self._lease(job.devices) if job.devices else _nothing() as variables:
                ended = self._run(replace(job, variables={**job.variables, **variables}))
        except OSError as error:
            future.set_exception(Unresolved(f"the arm in {job.folder} could not be run: {error}"))
        except BaseException as error:  # noqa: BLE001 - it goes to whoever waits
            future.set_exception(error)
        else:
            future.set_result(ended)

    def _run(self, job: Job) -> Ended:
        job.files.clear()
        job = self._protected(job)
        write_json(job.files.job, job.to_json())
        fork_server = self._trunks.of(job) or self._fork_server(job.environment)
        if fork_server.has_ended():
            return lost(
                job.files, f"its fork server keeps ending: {fork_server.last_words or 'it left no word'}"
            )
        number = next(self._numbers)
        with Hearing(job.questions or ()) as hearing, Kept(job.files) as kept:
            try:
                with fork_server.start(job.files.job, number, hearing.theirs) as link:
                    hearing.theirs.close()
                    report = self._await_report(job, fork_server, link, hearing)
            finally:
                scratch.clear(fork_server.scratch / str(number))
            return self._conclude(job, report, hearing, kept)

    def _fork_server(self, environment: Environment, *, is_base: bool = False) -> ForkServer:
        with self._lock:
            if self._closed:
                raise Unresolved("the pool is closed: no arm can be started")
            if self._first and self._foremost is None:
                self._foremost = environment.key
            fork_servers = self._fork_servers.setdefault(environment.key, [])
            if not fork_servers or (fork_servers[-1].has_ended() and len(fork_servers) < _STARTS):
                fork_servers.append(self._started(environment, len(fork_servers), is_base))
            # One that died may have died of an import: the second leaves all of them to the arms.
            if len(fork_servers) == 1:
                learns = self._learn and environment.learns
                learned = self._learned.get(environment.key, {}) if learns else {}
                fork_servers[0].preload([*environment.preload, *learned], self._recalled)
            return fork_servers[-1]

    def _started(self, environment: Environment, before: int, is_base: bool) -> ForkServer:
        """A new fork server, of an environment that had so many before."""
        name = f"fork-server-{len(self._fork_servers)}.{before + 1}"
        is_foremost = self._foremost == environment.key
        lent = None if before or is_base else self._borrow(environment)
        base = None if before or lent or is_foremost else self._base(environment)
        yields = self._foremost is not None and not is_foremost
        return ForkServer(lent or self._supervisor, name, environment, base, yields=yields)

    def _borrow(self, environment: Environment) -> Supervisor | None:
        """A supervisor whose fork server has imported what this environment's has to; None without any."""
        if self._lender and (lent := self._lender.lend(environment)):
            self._lent.append(lent)
            return lent
        return None

    def _trunk(self, job: Job) -> ForkServer | None:
        """A trunk for a job's like; None where the fork server that it would be a fork of has ended."""
        if (base := self._fork_server(job.environment)).has_ended() or job.trunk is None:
            return None
        name = f"trunk-{next(self._numbers)}"
        asked = base.scratch / f"{name}.json"
        write_json(asked, self._protected(job).of_trunk())
        planted = ForkServer(base.starter, name, job.environment, base, asked)
        self._planted.append(planted)
        return planted

    def _protected(self, job: Job) -> Job:
        """As far as this machine keeps arms from writing."""
        return job if self.protection is Protection.READ_ONLY else replace(job, protected=Protected())

    def _base(self, environment: Environment) -> ForkServer | None:
        """The fork server that an environment's first one is a fork of; None where it stands by itself."""
        if environment.base is None:
            return None
        found = self._fork_server(environment.base, is_base=True)
        return None if found.has_ended() else found

    def _await_report(
        self, job: Job, fork_server: ForkServer, link: socket.socket, hearing: Hearing
    ) -> dict[str, Any] | str:
        """The watchdog's report, or why there is none; what the arm says meanwhile is heard."""
        if (started := _next(link, self._start_seconds)) is None:
            fork_server.kill()
            fork_server.has_ended(within=5)
            words = fork_server.last_words or "its fork server hangs"
            return f"no arm was started within {self._start_seconds:g} s: {words}"
        if started and (report := _heard_out(link, hearing, _SLACK)):
            return report
        if self._closed:
            return "the pool was closed"
        if fork_server.has_ended(within=0.5):
            return f"its fork server ended: {fork_server.last_words or 'it left no word'}"
        return "the process that minds it ended"

    def _conclude(self, job: Job, report: dict[str, Any] | str, hearing: Hearing, kept: Kept) -> Ended:
        if isinstance(report, str):
            _log.log(logging.INFO if self._closed else logging.WARNING, "%s: %s", job.folder, report)
            return lost(job.files, report)
        if report["survivors"]:
            _log.warning(
                "%s: these processes cannot be killed: %s", job.folder, ", ".join(report["survivors"])
            )
        ended = conclude(job.files, report, hearing.heard())
        kept.keep(ended)
        with self._lock:
            self._learned.setdefault(job.environment.key, {}).update(dict.fromkeys(ended.imported))
        return ended


def _next(link: socket.socket, seconds: float) -> dict[str, Any] | None:
    """The next message; empty once the other end is gone, None if `seconds` pass without any."""
    poll = select.poll()
    poll.register(link, select.POLLIN)
    if not poll.poll(seconds * 1000):
        return None
    packet = packets.receive(link)
    return packet[0] if packet else {}


def _heard_out(link: socket.socket, hearing: Hearing, seconds: float) -> dict[str, Any] | None:
    """The watchdog's report, while the arm is heard; None once the watchdog was silent for `seconds`.

    It is told of each answer. An arm that forges is stopped at once.
    """
    poll = select.poll()
    for end in (link, hearing):
        poll.register(end, select.POLLIN)
    while ready := [descriptor for descriptor, _ in poll.poll(seconds * 1000)]:
        if hearing.fileno() in ready:
            _hear(link, hearing)
            if hearing.is_over:
                poll.unregister(hearing)
        if link.fileno() in ready and "minding" not in (message := _next(link, 0) or {}):
            return message
    return None


def _hear(link: socket.socket, hearing: Hearing) -> None:
    before = hearing.answered
    hearing.read()
    if hearing.problem:
        packets.send(link, {"stop": hearing.problem})
    elif hearing.answered > before:
        packets.send(link, {"answered": hearing.answered})

"""The pool's side of its supervisor and its fork servers."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import harness
from harness import foreign
from harness.errors import BadInput, Unresolved
from harness.process import fork_server, log, packets, supervisor
from harness.process.job import Environment, write_json
from harness.process.recall.kept import LARGEST
from harness.process.scratch import clear, clear_dead, new
from harness.process.warm.surroundings import search_path

_log = logging.getLogger(__name__)

_DEFAULTS = {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
"""For what the environment leaves open: numpy starts threads when it is imported, and threads do not
survive a fork; and sets of strings must have the same order in every run."""
_ALWAYS = {"PYTHONUTF8": "1"}
"""Whatever the environment says: upstream reads and writes text without naming its encoding, so that on a
system whose text is ASCII another process would fail."""


class Starter(Protocol):
    """What a fork server is started by, and the folder of both."""

    scratch: Path

    def log_of(self, name: str) -> Path:
        """Where a process that it starts writes what it has to say."""

    def spawn(
        self, name: str, command: list[str], variables: Mapping[str, str | None], descriptor: int
    ) -> Path:
        """Has a process started and returns its log.

        `descriptor` goes to it; its number there is added to `command`.
        """

    def branched(self, name: str, pid: int) -> None:
        """Takes note of a process that one of these has forked."""

    def kill(self, name: str) -> None:
        """Ends a process, and with it what it has forked."""


class Supervisor:
    """Starts the supervisor. Raises Unresolved if it cannot be started."""

    def __init__(self) -> None:
        parent = _temporary()
        clear_dead(parent)
        self.scratch = new(parent)
        self._link, theirs = packets.pair()
        self._lock = threading.Lock()
        self._is_ready = False
        with theirs:
            self._start(theirs.fileno())

    def _start(self, descriptor: int) -> None:
        # Isolated and without site-packages: it must be up before anything that it watches over.
        command = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            supervisor.BOOT,
            str(Path(next(iter(harness.__path__))).parent),
        ]
        self._process = subprocess.Popen(
            [*command, str(descriptor), str(os.getpid()), str(self.scratch)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env=dict(os.environ),  # without it a child has what libraries set behind Python's back, too
            pass_fds=[descriptor],
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def spawn(
        self, name: str, command: list[str], variables: Mapping[str, str | None], descriptor: int
    ) -> Path:
        """Has a process started below the supervisor and returns its log.

        `descriptor` goes to it; its number there is added to `command`.
        """
        written = self.log_of(name)
        message = {"spawn": name, "command": command, "variables": dict(variables), "log": str(written)}
        with self._lock:
            self._wait_until_ready()
            if not packets.send(self._link, message, [descriptor]):
                raise Unresolved("the process that watches over the arms has ended: run again")
        return written

    def log_of(self, name: str) -> Path:
        """Where a process below the supervisor writes what it has to say."""
        return self.scratch / f"{name}.log"

    def branched(self, name: str, pid: int) -> None:
        """Tells of a process that one of those below has forked, so that `kill` finds it."""
        with self._lock:
            packets.send(self._link, {"branched": name, "pid": pid})

    def _wait_until_ready(self) -> None:
        if not self._is_ready and packets.receive(self._link) is None:
            raise Unresolved(
                f"the process that watches over the arms did not start: is {self.scratch.parent} writable?"
            )
        self._is_ready = True

    def kill(self, name: str) -> None:
        """Ends a process that `spawn` started, and with it what it has forked."""
        with self._lock:
            packets.send(self._link, {"kill": name})

    def dismiss(self) -> None:
        """Lets it begin to end every process below it, and then itself."""
        with contextlib.suppress(OSError):  # it may have ended already
            self._link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends every process below the supervisor, and then the supervisor."""
        self.dismiss()
        self._wait_for_end(12)
        self._link.close()
        # The supervisor's last act too; here for the case that it was killed.
        clear(self.scratch)

    def _wait_for_end(self, seconds: float) -> None:
        """Kills it where it takes longer."""
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _temporary() -> Path:
    """The temporary folder. BadInput where no folder of the system's can be written."""
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        raise BadInput("no temporary folder can be written: set TMPDIR to one that can be") from error


class ForkServer:
    """One fork server below the supervisor; it starts at once and takes requests from the start.

    With a `base` it is a fork of that one, once that has imported what it was asked for so far. With a
    `trunk`, a file that says what is to be done then, it does that and forks arms where they part. One that
    `yields` lets others have the processor first, with all that it forks.
    """

    def __init__(
        self, supervisor: Starter, name: str, environment: Environment, base: ForkServer | None = None,
        trunk: Path | None = None, *, yields: bool = False,
    ) -> None:  # fmt: skip
        self.name, self._supervisor, self._base, self._trunk = name, supervisor, base, trunk
        self._yields = yields
        self._link, theirs = packets.pair()
        self._asked: dict[str, None] = {}
        self._dropped: set[str] = set()
        self._notes: list[str] = []
        self.threaded = self._has_branched = False
        self._ended, self._grown = threading.Event(), threading.Event()
        self.ungrown: str | None = None
        self.generated = b""
        self._lock = threading.Lock()
        with theirs:
            self._log = self._begin(environment, theirs.fileno())
        self._listener = threading.Thread(target=self._listen, name=f"refault-{name}", daemon=True)
        self._listener.start()

    def _begin(self, environment: Environment, descriptor: int) -> Path:
        """Has the process started; its log."""
        if self._base:
            return self._base.branch(self.name, environment, descriptor, self._trunk, yields=self._yields)
        scratch = self._supervisor.scratch
        # What a module makes as it is imported goes with the pool: torch's inductor makes its cache so.
        variables = {**_variables(environment), "TMPDIR": str(scratch)}
        return self._supervisor.spawn(self.name, _command(scratch, environment), variables, descriptor)

    def branch(
        self, name: str, environment: Environment, descriptor: int, trunk: Path | None = None, *,
        yields: bool = False,
    ) -> Path:  # fmt: skip
        """Has this process forked into another fork server, which `descriptor` goes to; its log."""
        written, arm_only = self._supervisor.log_of(name), sorted(environment.arm_only)
        message: dict[str, Any] = {"branch": name, "variables": _variables(environment), "arm_only": arm_only}
        message |= {"yields": yields, **({"trunk": str(trunk)} if trunk else {})}
        with self._lock:
            packets.send(self._link, {**message, "log": str(written)}, [descriptor])
        return written

    @property
    def starter(self) -> Starter:
        """By what it was started, and is ended; a fork of it as well."""
        return self._supervisor

    @property
    def scratch(self) -> Path:
        """The folder in which each of its arms has one."""
        return self._supervisor.scratch

    def tell(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> bool:
        """Sends it what only one that is held ready is told; whether it is still there."""
        with self._lock:
            return packets.send(self._link, message, descriptors)

    def preload(self, modules: Iterable[str], recalled: Path | None = None) -> None:
        """Has these imported, those apart that were asked for before, ahead of any later arm.

        `recalled` is where what they work out as they are imported is kept; no arm may write it.
        """
        with self._lock:
            new = [module for module in dict.fromkeys(modules) if module not in self._asked]
            if not new:
                return
            listed = self._supervisor.scratch / f"{self.name}.{len(self._asked)}.json"
            self._asked.update(dict.fromkeys(new))
            write_json(listed, new)
            told = str(recalled) if recalled else None
            packets.send(self._link, {"preload": str(listed), "recalled": told})

    def start(self, job_file: Path, number: int, stream: socket.socket) -> socket.socket:
        """Has an arm forked; the link on which its watchdog reports. It ends at once if the fork server has.

        `stream` is the arm's end of what it says.
        """
        ours, theirs = packets.pair()
        with theirs:
            given = [theirs.fileno(), stream.fileno()]
            packets.send(self._link, {"job": str(job_file), "number": number}, given)
        return ours

    def has_ended(self, within: float = 0.0) -> bool:
        """Whether the process is gone, waiting up to `within` seconds for that."""
        return self._ended.wait(within) if within else self._ended.is_set()

    def has_grown(self, within: float) -> bool:
        """Whether this trunk has come to where its arms part, waiting up to `within` seconds for that.

        `ungrown` says why one never will; one that takes longer is ended.
        """
        if not self._grown.wait(within):
            self.ungrown = f"it took more than {within:g} s"
            if self._has_branched:  # else it is its base that hangs, and that is told of by the arms
                self._supervisor.kill(self.name)
        return self.ungrown is None

    @property
    def dropped(self) -> frozenset[str]:
        """The modules that it failed to import."""
        return frozenset(self._dropped)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    @property
    def last_words(self) -> str:
        """The end of what it wrote, in one line."""
        return " / ".join(log.tail(self._log, 400).split("\n")[-4:]).strip(" /")

    def kill(self) -> None:
        """Ends it. One that its base has not come to fork yet ends with that."""
        if self._base and not self._has_branched:
            self._base.kill()
        self._supervisor.kill(self.name)

    def close(self) -> None:
        """Gives the descriptors back; the supervisor ends the process."""
        with contextlib.suppress(OSError):  # it may have ended already
            self._link.shutdown(socket.SHUT_RDWR)
        self._listener.join(timeout=2)
        self._link.close()

    def _listen(self) -> None:
        while packet := packets.receive(self._link):
            message, _ = packet
            if "problem" in message:
                self._take_note(message["module"], message["problem"])
            elif "branched" in message:
                self._has_branched = True
                self._supervisor.branched(self.name, message["branched"])
            elif "grown" in message:
                self._hear_generated(Path(message["generated"]))
                self._grown.set()
            elif "ungrown" in message:
                self._wither(message["ungrown"])
            elif "threads" in message and not self.threaded:
                self.threaded = True
                self._note(f"it had {message['threads']} threads when it forked an arm")
        self._ended.set()
        if not self._grown.is_set():
            self._wither(f"it ended: {self.last_words or 'it left no word'}")

    def _hear_generated(self, told: Path) -> None:
        """At once: no arm was forked yet that could have written it."""
        with contextlib.suppress(BadInput):  # there is nothing new
            self.generated = foreign.read(told, largest=LARGEST)

    def _wither(self, why: str) -> None:
        self.ungrown = why
        self._grown.set()

    def _take_note(self, module: str, problem: str) -> None:
        if problem.startswith("not preloaded"):
            self._dropped.add(module)
        self._note(f"{module} {problem}")

    def _note(self, text: str) -> None:
        self._notes.append(text)
        _log.info("%s: %s", self.name, text)


def _command(scratch: Path, environment: Environment) -> list[str]:
    path = json.dumps(search_path())
    arm_only = " ".join(sorted(environment.arm_only))
    return [sys.executable, "-P", "-c", fork_server.BOOT, path, str(scratch), arm_only]


def _variables(environment: Environment) -> dict[str, str | None]:
    defaults = {name: value for name, value in _DEFAULTS.items() if name not in os.environ}
    return {**defaults, **_ALWAYS, **environment.variables}

"""Fork servers that were started to be forked for pools, and end without what was forked of them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness.errors import Unresolved
from harness.process import scratch, usage
from harness.process.job import Environment, read_json
from harness.process.launch import ForkServer
from harness.process.supervisor import changed
from harness.process.warm.loaded import Loaded

_PATIENCE = 300.0
"""Seconds that all imports of one fork server may take."""
_LOOK_EVERY = 0.02


@dataclass(frozen=True)
class Held:
    """One fork server that has imported what it is to."""

    environment: Environment
    fork_server: ForkServer
    loaded: Loaded


class Stock:
    """The fork servers of these environments, each loaded; a context manager. Their bases are not lent.

    Raises Unresolved where one fails, has threads, or loaded a file that changed meanwhile.
    """

    def __init__(self, environments: Mapping[str, Environment]) -> None:
        self.environments = dict(environments)
        self._starter = _Starter()
        self._started: dict[str, ForkServer] = {}
        self._held: dict[str, Held] = {}
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Stock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends them all. What was forked of them for pools goes on."""
        self._starter.close()
        for fork_server in self._started.values():
            fork_server.close()

    def of(self, key: str) -> Held | None:
        """The one of an environment of this key."""
        return self._held.get(key)

    def ended(self) -> str | None:
        """One that is not there any more."""
        return next((one.name for one in self._started.values() if one.has_ended()), None)

    def changed(self, held: Held) -> str | None:
        """A file that is not any more what this one has loaded, or one of them that has ended."""
        return self.ended() or held.loaded.changed()

    @property
    def files(self) -> int:
        """How many the largest has loaded."""
        return max(len(held.loaded.files) for held in self._held.values())

    @property
    def memory(self) -> int:
        """Bytes of theirs alone; what they share with each other counts once."""
        return usage.proportional(self._starter.pids())

    def _load(self) -> None:
        for name, environment in self.environments.items():
            base = self._start(f"base-of-{name}", environment.base) if environment.base else None
            fork_server = self._start(name, environment, base)
            fork_server.tell({"loaded": str(self._told(fork_server)), "since": self._starter.since})
        for environment in self.environments.values():
            fork_server = self._started[environment.key]
            self._held[environment.key] = Held(environment, fork_server, self._loaded(fork_server))

    def _start(self, name: str, environment: Environment, base: ForkServer | None = None) -> ForkServer:
        if environment.key not in self._started:
            self._started[environment.key] = ForkServer(self._starter, name, environment, base)
            self._started[environment.key].preload(environment.preload)
        return self._started[environment.key]

    def _told(self, fork_server: ForkServer) -> Path:
        return self._starter.scratch / f"{fork_server.name}.loaded.json"

    def _loaded(self, fork_server: ForkServer) -> Loaded:
        """Waits until it has loaded all."""
        deadline = time.monotonic() + _PATIENCE
        while not (told := self._told(fork_server)).exists():
            if fork_server.has_ended(within=_LOOK_EVERY) or time.monotonic() > deadline:
                words = fork_server.last_words or "it left no word"
                raise Unresolved(f"what {fork_server.name} arms share cannot be imported: {words}")
        loaded = Loaded.from_json(read_json(told))
        if loaded.late:
            raise Changing(loaded.late)
        if (threads := usage.threads(self._starter.pid(fork_server.name))) > 1:
            raise Unresolved(f"{fork_server.name} has {threads} threads: what is forked of it may hang")
        return loaded


class Changing(Unresolved):
    """A file that changed while it was loaded."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} changed while it was loaded: start again when nothing is being installed")


class _Starter:
    """Starts fork servers as children of this process, which end with it."""

    def __init__(self) -> None:
        self.scratch = scratch.new(Path(tempfile.gettempdir()))
        self._lock = scratch.make(self.scratch)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._branches: dict[str, int] = {}
        mark = self.scratch / "begun"
        mark.touch()
        self.since = mark.stat().st_ctime_ns

    def log_of(self, name: str) -> Path:
        return self.scratch / f"{name}.log"

    def spawn(
        self, name: str, command: list[str], variables: Mapping[str, str | None], descriptor: int
    ) -> Path:
        written = self.log_of(name)
        with written.open("ab") as file:
            self._processes[name] = subprocess.Popen(
                [*command, str(os.getpid()), str(descriptor)],
                env=changed(variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                pass_fds=[descriptor],
                start_new_session=True,
            )
        return written

    def branched(self, name: str, pid: int) -> None:
        self._branches[name] = pid

    def kill(self, name: str) -> None:
        self._processes[name].kill()

    def pid(self, name: str) -> int:
        """Of one that has said that it has loaded all, so that of its birth was told before."""
        deadline = time.monotonic() + _PATIENCE
        while (found := self._pids().get(name)) is None:
            if time.monotonic() > deadline:
                raise Unresolved(f"{name} was not heard of: run again")
            time.sleep(_LOOK_EVERY)
        return found

    def pids(self) -> tuple[int, ...]:
        return tuple(self._pids().values())

    def close(self) -> None:
        for process in self._processes.values():  # branches end with their base
            process.kill()
            process.wait()
        scratch.clear(self.scratch)
        with contextlib.suppress(OSError):  # a second call
            os.close(self._lock)

    def _pids(self) -> dict[str, int]:
        return {**{name: process.pid for name, process in self._processes.items()}, **self._branches}

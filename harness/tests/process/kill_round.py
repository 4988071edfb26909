"""One round of killing a process of a running pool: what is left of the pool a second later?

Run as a script it is the pool's process, with arms that do their best to stay.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.process import descendants
from harness.process.job import Environment, Job
from harness.process.limits import Limits
from harness.process.pool import Pool

_MARK = "REFAULT_KILL_ROUND"
LATEST = 1.0
"""Seconds after the start at which everything has long been running."""
FULL_LOAD = 14
"""The pool's process, its supervisor, and twice a fork server, a watchdog, an arm and three to stay."""


@dataclass(frozen=True)
class Round:
    """`survivors` are commands; `within` is how many seconds the last of them took to go."""

    killed: str
    after: float
    running: int
    survivors: tuple[str, ...]
    within: float
    folders: tuple[str, ...]


def kill_round(whom: str, after: float | None, folder: Path) -> Round:
    """Starts a pool and sends SIGKILL to its `parent`, `supervisor`, a `fork-server` or a `watchdog`.

    That is `after` so many seconds, or, for None, once all its processes run.
    """
    mark = secrets.token_hex(8)
    scratch = folder / "tmp"
    scratch.mkdir(parents=True)
    environment = {**os.environ, _MARK: mark, "TMPDIR": str(scratch)}
    parent = subprocess.Popen(
        [sys.executable, "-m", __name__, str(folder)], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        started = time.monotonic()
        before = _await_moment(mark, after)
        moment = time.monotonic() - started
        _kill(parent, whom, before)
        spared = {parent.pid} if whom != "parent" else set()
        left, within = _wait_for_end(mark, spared, whom)
    finally:
        parent.kill()
        parent.wait()
    final, _ = _wait_for_end(mark, set(), "parent")
    survivors = tuple(process.name for process in {*left, *final})
    folders = tuple(path.name for path in scratch.iterdir())
    return Round(whom, moment, len(before), survivors, within, folders)


def _await_moment(mark: str, after: float | None) -> list[descendants.Process]:
    if after is not None:
        time.sleep(after)
        return _marked(mark)
    deadline = time.monotonic() + 30
    while len(running := _marked(mark)) < FULL_LOAD and time.monotonic() < deadline:
        time.sleep(0.02)
    return running


def _kill(parent: subprocess.Popen[bytes], whom: str, marked: list[descendants.Process]) -> None:
    if whom == "parent":
        parent.kill()
        return
    named = [process for process in marked if process.name == f"refault-{whom}"]
    if named:
        descendants.send_signal(random.choice(named), signal.SIGKILL)
    else:
        parent.kill()


def _wait_for_end(
    mark: str, spared: set[int], whom: str, limit: float = 1.0
) -> tuple[list[descendants.Process], float]:
    """Up to `limit` seconds for everything to go. A pool that lost a fork server or a watchdog lives on."""
    if whom in ("fork-server", "watchdog"):
        return [], 0.0
    started = time.monotonic()
    while True:
        left = [process for process in _marked(mark) if process.pid not in spared]
        took = time.monotonic() - started
        if not left or took > limit:
            return left, took
        time.sleep(0.01)


def _marked(mark: str) -> list[descendants.Process]:
    """The processes, alive, that were started in this round: the mark is in their environment."""
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and wanted in _environment(entry):
            process = descendants.look_up(int(entry))
            if process and not process.ended:
                found.append(process)
    return found


def _environment(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def random_rounds(rounds: int, weights: Mapping[str, int], seed: int) -> list[Round]:
    """Rounds at random moments: while interpreters start, during imports, with arms running."""
    chance = random.Random(seed)
    results = []
    for _ in range(rounds):
        whom = chance.choices(list(weights), list(weights.values()))[0]
        with tempfile.TemporaryDirectory() as folder:
            results.append(kill_round(whom, chance.uniform(0.0, LATEST), Path(folder)))
    return results


def _run_stubborn_arms(folder: Path) -> None:
    environments = [
        Environment(preload=("numpy",)),
        Environment(variables={"SECOND": "1"}, preload=("decimal",)),
    ]
    with Pool(lanes=2) as pool:
        jobs = [
            Job(
                entry="harness.tests.process.arms:leaves_daemons",
                payload={"sleep": 600},
                folder=folder / str(number),
                limits=Limits(seconds=600, memory_mb=256),
                environment=environment,
            )
            for number, environment in enumerate(environments)
        ]
        for future in [pool.submit(job) for job in jobs]:
            future.result()
        time.sleep(600)


if __name__ == "__main__":
    _run_stubborn_arms(Path(sys.argv[1]))

"""Ends commands that have servers up, by a signal at a stated moment: what is left, and for how long?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.process.scratch import clear_dead
from harness.serving import family, leftovers
from harness.tests.serving.left_behind import Watch

GONE_WITHIN = 3.0
"""Seconds: what docs/servers.md promises."""
_COMES_WITHIN, _LOOK_EVERY = 400.0, 0.1


@dataclass(frozen=True)
class Seen:
    """A command that has servers, as it is seen from outside: `most` is how many processes it once had."""

    watch: Watch
    runs: Path
    output: Path
    most: int

    @property
    def logs(self) -> str:
        return "".join(log.read_text(errors="replace") for log in self.runs.glob("*/*/server-*/server.log"))


Moment = Callable[[Seen], bool]


def _starts(seen: Seen) -> bool:
    """A server's first process has begun to import."""
    return any(seen.runs.glob("*/*/server-*/server.log"))


def _has_schedulers(seen: Seen) -> bool:
    """Its schedulers are there, and shared memory with them."""
    return any("sglang::scheduler" in family.command_line(one.pid) for one in seen.watch.processes())


def _answers(seen: Seen) -> bool:
    return "Prefill batch" in seen.logs


def _ends(seen: Seen) -> bool:
    """It answered, and now its processes go."""
    return _answers(seen) and len(seen.watch.processes()) < seen.most


def _is_up(seen: Seen) -> bool:
    """It says how to talk to its server."""
    return "ask it" in seen.output.read_text()


@dataclass(frozen=True)
class Case:
    """A command, the signal that it gets (with `everyone` all its processes do), and when."""

    words: tuple[str, ...]
    number: signal.Signals
    moment: Moment
    everyone: bool = False


_REPRO = ("repro", "24394", "--tier", "server")
_SERVE = ("serve", "paged_triton", "--arm", "fixed")
_KEEP = ("repro", "paged_triton", "--tier", "server", "--keep")
ALL: Mapping[str, Case] = {
    "starting": Case(_REPRO, signal.SIGKILL, _starts),
    "loading": Case(_REPRO, signal.SIGKILL, _has_schedulers),
    "answering": Case(_REPRO, signal.SIGKILL, _answers),
    "ending": Case(_REPRO, signal.SIGKILL, _ends),
    "everyone": Case(_REPRO, signal.SIGKILL, _answers, everyone=True),
    "serve-kill": Case(_SERVE, signal.SIGKILL, _is_up),
    "serve-term": Case(_SERVE, signal.SIGTERM, _is_up),
    "serve-interrupt": Case(_SERVE, signal.SIGINT, _is_up),
    "keep-kill": Case(_KEEP, signal.SIGKILL, _is_up),
    "keep-term": Case(_KEEP, signal.SIGTERM, _is_up),
    "keep-interrupt": Case(_KEEP, signal.SIGINT, _is_up),
}


@dataclass(frozen=True)
class Round:
    """`running` processes and `ports` when the signal came, what was `left`, and when all was gone (seconds).

    `swept` is what the next run then had to remove: nothing, unless everyone was killed.
    """

    running: int
    ports: int
    seconds: float
    left: tuple[str, ...]
    swept: tuple[str, ...] = ()


def end(case: Case, models: Path, folder: Path) -> Round:
    """One command, ended; its temporary files and its cache are in `folder`, the models apart."""
    temporary = folder / "t"
    temporary.mkdir()
    (folder / "cache").mkdir()
    (folder / "cache" / "models").symlink_to(models)
    watch, output = Watch(temporary), folder / "output.txt"
    environment = {**os.environ, "TMPDIR": str(temporary), "REFAULT_CACHE": str(folder / "cache")}
    with output.open("w") as written:
        command = subprocess.Popen(
            [sys.executable, "-m", "harness", *case.words],
            env=environment, stdout=written, stderr=written, process_group=0,
        )  # fmt: skip
    try:
        running = _await(case.moment, watch, folder, command)
        ports = len(watch.ports())
        begun = time.monotonic()
        _signal(case, watch, command)
        left = watch.left(GONE_WITHIN)
        seconds = time.monotonic() - begun
    finally:
        command.kill()
        command.wait()
    if not case.everyone:
        return Round(running, ports, seconds, tuple(left))
    return Round(running, ports, seconds, *_swept(watch, left))


def _await(moment: Moment, watch: Watch, folder: Path, command: subprocess.Popen[bytes]) -> int:
    """How many processes there were when the moment came; AssertionError if it never did."""
    deadline, most = time.monotonic() + _COMES_WITHIN, 0
    while time.monotonic() < deadline and command.poll() is None:
        running = len(watch.processes())
        most = max(most, running)
        if moment(Seen(watch, folder / "cache" / "runs", folder / "output.txt", most)):
            return running
        time.sleep(_LOOK_EVERY)
    raise AssertionError(f"the moment never came: {(folder / 'output.txt').read_text()[-300:]}")


def _signal(case: Case, watch: Watch, command: subprocess.Popen[bytes]) -> None:
    """As a terminal does for Ctrl-C, to the command's process group; else to the command alone."""
    if case.everyone:
        for one in watch.processes():  # each at its own pid, and all stopped first: none is to tidy up
            os.kill(one.pid, signal.SIGSTOP)
        for one in watch.processes():
            os.kill(one.pid, signal.SIGKILL)
    elif case.number == signal.SIGINT:
        os.killpg(command.pid, case.number)
    else:
        command.send_signal(case.number)


def _swept(watch: Watch, left: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the next run leaves of that, and what it removed; what doctor names is part of the proof."""
    named = {f"file {path.name}" for path in leftovers.found(watch.temporary).folders}
    unnamed = [
        f"{one} (and doctor does not name it)" for one in left if one[:4] == "file" and one not in named
    ]
    clear_dead(watch.temporary)  # as every pool does when it starts
    still = watch.left()
    return (*still, *unnamed), tuple(one for one in left if one not in still)


def end_in_a_folder(name: str, models: Path) -> Round:
    with tempfile.TemporaryDirectory(prefix="k-") as folder:  # short: sockets lie in it
        return end(ALL[name], models, Path(folder))

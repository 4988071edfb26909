"""Harms real servers on purpose, and says what came of it: a fault, or that nothing can be said."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import catalogue
from harness.facts import Traffic
from harness.host import environment
from harness.models import make
from harness.serving import ports
from harness.serving.ending import Ending
from harness.serving.launch import Command
from harness.serving.ports import Ports
from harness.serving.server import Server
from harness.source import tree
from harness.tests.serving import left_behind
from harness.tiers.served import Served
from harness.traffic.answers import faults
from harness.traffic.drive import drive, send, vocabulary
from harness.traffic.prompts import Request

_MODEL, _READY, _PATIENCE = "tiny-llama", 300.0, 20.0
_LOAD = Traffic(requests=4, prompt_tokens=(20, 40), output_tokens=48, concurrency=4, stream="all")
_ANSWERING = "Prefill batch"
"""Upstream's log has it once the first batch has been put together."""
_FILE_LIMIT = 6000
_MARK = "REFAULT_INJECTION"


@dataclass(frozen=True)
class Prepared:
    """A server's command, and the ids of its model's words."""

    command: Command
    words: Mapping[str, int]


def inject(name: str, folder: Path) -> tuple[str, bool, list[str]]:
    """What was seen, whether it is what this injection is to yield, and what is left on the machine."""
    mark, before = f"{_MARK}={os.getpid()}.{time.monotonic_ns()}", left_behind.segments()
    act, meant = ALL[name]
    ending, told = act(_prepared(folder, mark), folder)
    signatures = [fault.signature for fault in ending.faults]
    seen = f"{told}{ending.unresolved or '; '.join(signatures) or 'clean'}"
    return seen, all(word in seen for word in meant), left_behind.since(mark, before) + _kept(ending)


def _kept(ending: Ending) -> list[str]:
    return [f"process {name}" for name in ending.survivors]


def _prepared(folder: Path, mark: str) -> Prepared:
    """The plain configuration's server, on upstream as installed, with the oracle in its processes."""
    case = catalogue.load("reproducers.config_paged_triton").server
    assert case
    model, under_test = make(_MODEL, folder / "models"), tree.installed()
    (folder / "reports").mkdir()
    told = Served(
        root=under_test.root,
        package=under_test.package,
        tree=under_test.content_hash,
        functions={},
        reports=folder / "reports",
    )
    name, _, value = mark.partition("=")
    whole = environment.merged(
        environment.CPU_KERNELS, {**told.environment(folder), **left_behind.marking(name, value)}
    )
    arguments = ("--model-path", str(model.path), *case.arguments("cpu", case.default))
    return Prepared(Command(arguments=arguments, environment=whole), vocabulary(model.path))


@contextmanager
def _ready(prepared: Prepared, folder: Path) -> Iterator[Server]:
    with Server(prepared.command, folder) as server:
        ending = server.wait_ready(_READY)
        assert ending is None, ending.last_lines if ending else ""
        yield server


def _signalled(number: int, prepared: Prepared, folder: Path) -> tuple[Ending, str]:
    """The scheduler gets a signal while it answers."""
    with _ready(prepared, folder) as server:
        sender = threading.Thread(target=_send_while_answering, args=(server, number))
        sender.start()
        driven = drive(_LOAD, server, prepared.words, _PATIENCE)
        sender.join()
        server.wait_end(3.0)
        return server.stop(faults(driven.all, _PATIENCE)), ""


def _send_while_answering(server: Server, number: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while _ANSWERING not in server.tail() and time.monotonic() < deadline:
        time.sleep(0.05)
    (scheduler,) = (pid for role, pid in server.processes() if role == "scheduler")
    os.kill(scheduler, number)


def _killed(prepared: Prepared, folder: Path) -> tuple[Ending, str]:
    return _signalled(signal.SIGKILL, prepared, folder)


def _stopped(prepared: Prepared, folder: Path) -> tuple[Ending, str]:
    return _signalled(signal.SIGSTOP, prepared, folder)


def _occupied(prepared: Prepared, folder: Path) -> tuple[Ending, str]:
    """Somebody listens at a port that upstream derives from the one it is given."""
    at: Ports = ports.reserve()
    with socket.socket() as intruder:
        intruder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        intruder.bind((ports.HOST, at.nccl))
        intruder.listen()
        with Server(prepared.command, folder, at=at) as server:
            return server.wait_ready(_READY) or server.stop(), ""


def _full(prepared: Prepared, folder: Path) -> tuple[Ending, str]:
    """No file may grow beyond some kilobytes, the log least of all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_LIMIT, hard))
    try:
        with Server(prepared.command, folder) as server:
            return server.wait_ready(_READY) or server.stop(), ""
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _malformed(prepared: Prepared, folder: Path) -> tuple[Ending, str]:
    """Fewer tokens than none are asked for, then none are given; the third request is in order."""
    with _ready(prepared, folder) as server:
        asked = [
            Request(rid="fewer", prompt_ids=(5,), output_tokens=-1),
            Request(rid="nothing", prompt_ids=(), output_tokens=2),
            Request(rid="sound", prompt_ids=(5, 6, 7), output_tokens=2),
        ]
        answers = send(asked, server, prepared.words, patience=60.0)
        told = ", ".join(f"{answer.rid} {answer.trouble or answer.finish}" for answer in answers)
        return server.stop(), f"{told}; "


Act = Callable[[Prepared, Path], tuple[Ending, str]]
ALL: Mapping[str, tuple[Act, tuple[str, ...]]] = {
    "kill": (_killed, ("crash in scheduler",)),
    "stop": (_stopped, ("hang",)),
    "port": (_occupied, ("the server could not run",)),
    "disk": (_full, ("the log is not whole",)),
    "request": (_malformed, ("fewer rejected", "nothing rejected", "sound length", "clean")),
}
"""What is done to a server, and words that have to be in what is said of it then."""

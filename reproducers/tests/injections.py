"""Harms real servers on purpose, and says what came of it: a fault, or that nothing can be said.

Each is harmed below an arm's process, so that nothing of it outlives whoever asked for it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import catalogue
from harness.facts import Host, Traffic
from harness.host import environment
from harness.models import make
from harness.process.job import Job
from harness.process.limits import Limits
from harness.process.pool import Pool
from harness.serving import ports
from harness.serving.ending import Ending
from harness.serving.launch import Command
from harness.serving.ports import Ports
from harness.serving.server import Server
from harness.source import tree
from harness.tests.serving.left_behind import Watch
from harness.tiers import arms
from harness.tiers.server.processes import Served
from harness.traffic.answers import faults
from harness.traffic.drive import drive, send, vocabulary
from harness.traffic.prompts import Request

_MODEL, _READY, _PATIENCE = "tiny-llama", 300.0, 20.0
_LOAD = Traffic(requests=4, prompt_tokens=(20, 40), output_tokens=48, concurrency=4, stream="all")
_ANSWERING = "Prefill batch"
"""Upstream's log has it once the first batch has been put together."""
_SECONDS = 900.0
"""For one injection with everything, on a machine that others use as well."""
_FILE_LIMIT = 6000


@dataclass(frozen=True)
class Prepared:
    """A server's command, and the ids of its model's words."""

    command: Command
    words: Mapping[str, int]


@dataclass(frozen=True)
class Injected:
    """What was `seen`, whether that is what the injection is to yield, and what was `left` on the machine."""

    seen: str
    as_meant: bool
    left: tuple[str, ...]


def inject(name: str, pool: Pool, models: Path, folder: Path) -> Injected:
    """One injection, in an arm of its own whose files go to `folder`."""
    limits = Limits(seconds=_SECONDS, memory_mb=arms.MEMORY_MB["server"])
    payload = {"name": name, "models": str(models)}
    shared = arms.environment("server", tree.installed().package)
    entry = f"{__name__}:enter"
    job = Job(entry=entry, payload=payload, folder=folder, limits=limits, environment=shared)
    ended = pool.submit(job).result()
    left = tuple(f"process {one}" for one in ended.leftovers)
    if ended.result is None:
        why = ended.exit.message or ended.exit.signal or ended.exit.how
        return Injected(f"the arm that harms the server ended: {why} (log: {ended.log})", False, left)
    return Injected(ended.result["seen"], ended.result["as_meant"], (*ended.result["left"], *left))


def enter(payload: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Entry of the arm: harms a server, and looks for what is left where the server made its files."""
    act, meant = ALL[payload["name"]]
    watch = Watch(Path(tempfile.gettempdir()))
    ending, told = act(_prepared(folder, Path(payload["models"])), folder)
    seen = f"{told}{ending.unresolved or '; '.join(fault.signature for fault in ending.faults) or 'clean'}"
    left = [*watch.left(), *(f"process {name}" for name in ending.survivors)]
    return {"seen": seen, "as_meant": all(_holds(word, seen) for word in meant), "left": left}


def _holds(word: str, seen: str) -> bool:
    """Whether `word` was seen; of one with "no " before it, that it was not."""
    absent = word.removeprefix("no ")
    return absent not in seen if absent != word else word in seen


def _prepared(folder: Path, models: Path) -> Prepared:
    """The plain configuration's server, on upstream as installed, with the oracle in its processes."""
    case = catalogue.load("reproducers.config_paged_triton").server
    assert case
    model, under_test = make(_MODEL, models), tree.installed()
    (folder / "reports").mkdir()
    told = Served(
        root=under_test.root,
        package=under_test.package,
        tree=under_test.content_hash,
        functions={},
        reports=folder / "reports",
    )
    whole = environment.merged(environment.CPU_KERNELS, told.environment(folder))
    arguments = ("--model-path", str(model.path), *case.arguments(Host.CPU, case.default))
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


def _harmed(harm: str, prepared: Prepared, folder: Path) -> tuple[Ending, str]:
    """A process of the server harms itself, from Python code that its interpreter runs as it starts.

    It is put behind the answers of the boot hook, which runs what hides behind it (`sitecustomize`).
    """
    place = folder / "harm"
    place.mkdir()
    (place / "sitecustomize.py").write_text(_HARM + harm)
    path = f"{prepared.command.environment['PYTHONPATH']}{os.pathsep}{place}"
    environment_ = {**prepared.command.environment, "PYTHONPATH": path}
    harmed = replace(prepared, command=replace(prepared.command, environment=environment_))
    with _ready(harmed, folder) as server:
        driven = drive(_LOAD, server, prepared.words, _PATIENCE)
        server.wait_end(10.0)
        return server.stop(faults(driven.all, _PATIENCE)), ""


_HARM = """
import ctypes, logging, os, signal, sys, threading, time, traceback

def when_titled(word, act):
    def later():
        while word not in open("/proc/self/cmdline").read() or not served():
            time.sleep(0.05)
        act()
    start = lambda: threading.Thread(target=later, daemon=True).start()
    os.register_at_fork(after_in_child=start)

def served():
    text = open(os.environ["REFAULT_SHARED_LOG"], errors="replace").read()
    return "Prefill batch" in text

def caught():
    try:
        raise ValueError("a toy that was caught")
    except ValueError:
        logging.getLogger("sglang.toy").error("Error in toy_parse: a toy that was caught", exc_info=True)
"""


def _caught_then_segfault(prepared: Prepared, folder: Path) -> tuple[Ending, str]:
    return _harmed(_SEGFAULT, prepared, folder)


_SEGFAULT = """
def act():
    caught()
    time.sleep(0.5)
    ctypes.string_at(0)
when_titled("scheduler", act)
"""


def _detokenizer(prepared: Prepared, folder: Path) -> tuple[Ending, str]:
    harm = "when_titled('detokenizer', lambda: os.kill(os.getpid(), signal.SIGSEGV))\n"
    return _harmed(harm, prepared, folder)


def _quoted(prepared: Prepared, folder: Path) -> tuple[Ending, str]:
    """A prompt quotes an error, and the server logs its requests."""
    logged = ("--log-requests", "--log-requests-level", "3")
    command = replace(prepared.command, arguments=(*prepared.command.arguments, *logged))
    with _ready(replace(prepared, command=command), folder) as server:
        text = "CUDA error: an illegal memory access was encountered\nFatal Python error: Aborted"
        body = {"text": text, "sampling_params": {"max_new_tokens": 2}}
        asked = urllib.request.Request(
            f"{server.url}/generate",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {server.key}"},
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            told = f"status {answer.status}"
        quoted = "illegal memory access" in server.tail()
        return server.stop(), f"{told}, {'quoted' if quoted else 'not quoted'} in the log; "


def _two_ranks(prepared: Prepared, folder: Path) -> tuple[Ending, str]:
    """Two tensor-parallel ranks write their tracebacks at once, line by line."""
    command = replace(
        prepared.command,
        arguments=(*prepared.command.arguments, "--tp-size", "2"),
        environment={**prepared.command.environment, "SGLANG_CPU_OMP_THREADS_BIND": "0|1"},
    )
    return _harmed(_RANKS, replace(prepared, command=command), folder)


_RANKS = """
def act():
    logger = logging.getLogger("sglang.toy")
    for turn in range(40):
        print(f"{os.getpid()} writes its line {turn} of 40", file=sys.stderr, flush=True)
        time.sleep(0.01)
    try:
        raise IndexError("index 5 is out of bounds in a toy")
    except IndexError:
        for line in f"Scheduler hit an exception: {traceback.format_exc()}".splitlines():
            print(line, file=sys.stderr, flush=True)
            time.sleep(0.02)
        logger.error(f"Scheduler hit an exception: {traceback.format_exc()}")
        os.kill(os.getppid(), signal.SIGQUIT)
when_titled('scheduler', act)
"""


Act = Callable[[Prepared, Path], tuple[Ending, str]]
ALL: Mapping[str, tuple[Act, tuple[str, ...]]] = {
    "kill": (_killed, ("crash in scheduler",)),
    "stop": (_stopped, ("hang",)),
    "port": (_occupied, ("the server could not run",)),
    "disk": (_full, ("the log is not whole",)),
    "segfault": (_caught_then_segfault, ("crash in scheduler", "no exception")),
    "detokenizer": (_detokenizer, ("crash in detokenizer", "no scheduler")),
    "quoted": (_quoted, ("status 200, quoted in the log; clean",)),
    "ranks": (_two_ranks, ("exception in scheduler", "IndexError")),
    "request": (_malformed, ("fewer rejected", "nothing rejected", "sound length", "clean")),
}
"""What is done to a server, and words that have to be in what is said of it then, or may not be."""

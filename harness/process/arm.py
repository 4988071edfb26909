"""The arm's own process: from a fresh fork of the fork server to its last word."""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from harness.process import alterations, confine, log, prctl, usage
from harness.process.confine import Protected
from harness.process.job import OWN_FAILURE, Files
from harness.process.preload import imported_since
from harness.process.testimony import Look, Testimony

DUMP_SIGNAL = signal.SIGRTMIN + 5
"""Makes an arm write its stacks into its log; a signal that nobody else is likely to use."""
ADDRESS_SLACK = 4
"""How many times its memory limit an arm may ask for, touched or not, before it is refused."""


@dataclass(frozen=True)
class Forked:
    """What a fork is given that is to become an arm.

    `parent` is the pid of its watchdog, `stream` leads to the pool, `close` are descriptors of the others'.
    """

    job: Mapping[str, Any]
    temporary: Path
    parent: int
    stream: int
    close: Sequence[int]


def run(forked: Forked, arm_only: frozenset[str]) -> NoReturn:
    """Turns this fork into the arm and ends it."""
    ended(lambda: _work(forked, become(forked, alterations.watched(forked.job["watched"])), arm_only))


def ended(work: Callable[[], int]) -> NoReturn:
    """Does an arm's work, and ends the process with the code that comes of it."""
    code = OWN_FAILURE
    try:
        code = work()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001
        # Only our own failures come here: the entry's were told. The log says what it was.
        traceback.print_exc()
    finally:
        # No atexit handlers: they are the fork server's modules', and may hang or fault after the result.
        os._exit(code)


def become(forked: Forked, look: Look, shut: Iterable[int] = ()) -> Testimony:
    """Has this fork be the arm, with all that is its own; its end of what it says.

    `look` says what was altered. Where its watchdog has taken from both what it must not write, `shut` are
    the capabilities that it is to give up.
    """
    job = forked.job
    prctl.die_with(forked.parent)
    files = Files(Path(job["folder"]))
    _detach(files, forked.close)
    _limit_memory(job["memory_mb"])
    _set_variables(job["variables"], forked.temporary)
    if shut:
        confine.give_up(shut)
    else:
        confine.enter(protected(job, forked.temporary))
    return _testimony(forked.stream, look)


def _detach(files: Files, close: Sequence[int]) -> None:
    """Own session, own standard streams, default signals, none of the pool's descriptors."""
    os.setsid()
    prctl.name_process("refault-arm")
    for descriptor in close:
        os.close(descriptor)
    descriptor = _redirect(files)
    faulthandler.disable()
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # It writes to a descriptor of its own, so that an arm which closes 2 still leaves its stacks.
    faulthandler.enable(descriptor)
    faulthandler.register(DUMP_SIGNAL, descriptor)
    gc.enable()


def _redirect(files: Files) -> int:
    descriptor = log.open_for_arm(files.log)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    return descriptor


def _limit_memory(memory_mb: int) -> None:
    """Refuses absurd allocations at once; the watchdog ends the arm over memory that is really used.

    The slack between the two leaves room for what is only reserved, such as stacks of threads, and
    gives the watchdog time to come first: a refusal may be caught, and the arm go on as if nothing was.
    """
    limit = usage.data_size(os.getpid()) + ADDRESS_SLACK * (memory_mb << 20)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    # Should the machine itself run short, the kernel is to take the arm and not its neighbours.
    with contextlib.suppress(OSError):  # /proc may be read-only in a container
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")


def _set_variables(variables: Mapping[str, str], temporary: Path) -> None:
    temporary.mkdir(mode=0o700, exist_ok=True)
    os.environ.update({"TMPDIR": str(temporary), **variables})
    tempfile.tempdir = None
    sys.argv = ["refault-arm"]


def protected(job: Mapping[str, Any], temporary: Path) -> Protected:
    """What an arm must not write; its own folders stay its own."""
    told = Protected.from_json(job["protected"])
    return replace(told, writable=(*told.writable, Path(job["folder"]), temporary))


def _testimony(descriptor: int, look: Look) -> Testimony:
    """The arm's end of the stream; what it forks has none."""
    stream = socket.socket(fileno=descriptor)
    os.register_at_fork(after_in_child=stream.close)
    return Testimony(stream, look)


def _work(forked: Forked, testimony: Testimony, arm_only: frozenset[str]) -> int:
    """Calls the entry and says what came of it; the exit code."""
    last = LastWord(testimony, frozenset(sys.modules), arm_only)
    try:
        result = _call(forked.job, testimony)
    except BaseException as error:  # noqa: BLE001 - whatever it is is told
        return last.failed(error)
    return last.returned(result)


class LastWord:
    """What an arm says of how its entry ended; `before` are the modules that were there ahead of that."""

    def __init__(self, testimony: Testimony, before: frozenset[str], arm_only: frozenset[str]) -> None:
        self._me, self._end, self._describe = os.getpid(), testimony.end, _describe
        self._imported = partial(imported_since, before, arm_only)

    def failed(self, error: BaseException) -> int:
        """Tell of the exception in which it ended; the exit code."""
        _end_forks(self._me)
        _lift_memory_limit()
        traceback.print_exc()
        self._end(error=self._describe(error), imported=self._imported())
        return _code_of(error)

    def returned(self, result: dict[str, Any]) -> int:
        """Tell of what it returned; the exit code."""
        _end_forks(self._me)
        self._end(result=result, imported=self._imported())
        return 0


def _end_forks(arm: int) -> None:
    """What the entry forked and let run on into here must not speak for the arm."""
    if os.getpid() != arm:
        traceback.print_exc()
        os._exit(1)


def _call(job: Mapping[str, Any], testimony: Testimony) -> dict[str, Any]:
    more = (testimony,) if job["is_asked"] else ()
    return called(job["entry"], job["payload"], Path(job["folder"]), *more)


def called(entry: str, *given: Any) -> dict[str, Any]:
    """What an entry ("module:function") returns. TypeError for what is no JSON object."""
    module, _, name = entry.partition(":")
    result = getattr(importlib.import_module(module), name)(*given)
    if not isinstance(result, dict):
        raise TypeError(f"{entry} returned {type(result).__name__}, not a dict")
    json.dumps(result)  # what cannot be told is the entry's fault, and is to be told as that
    return result


def _lift_memory_limit() -> None:
    """So that reporting a failed allocation does not fail for the same want of memory."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def _describe(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    text = "".join(traceback.format_exception(error))
    return {"type": name, "message": str(error), "traceback": text, "memory": is_about_memory(error)}


def is_about_memory(error: BaseException) -> bool:
    """Whether an exception, or one that it was raised for, says that memory ran out."""
    seen: set[int] = set()
    chain: BaseException | None = error
    while chain is not None and id(chain) not in seen:
        seen.add(id(chain))
        if _says_memory(chain):
            return True
        chain = chain.__cause__ or chain.__context__
    return False


def _says_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # torch raises plain RuntimeErrors from its CPU allocator, and a class of this name for devices.
    refused = "DefaultCPUAllocator: can't allocate memory" in str(error)
    return refused or type(error).__name__ == "OutOfMemoryError"


def _code_of(error: BaseException) -> int:
    if not isinstance(error, SystemExit):
        return 1
    if isinstance(error.code, int):
        return error.code & 0xFF
    return 0 if error.code is None else 1

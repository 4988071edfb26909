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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from harness.process import alterations, confine, log, prctl, usage
from harness.process.confine import Protected
from harness.process.job import OWN_FAILURE, Files
from harness.process.preload import imported_since
from harness.process.testimony import Testimony

DUMP_SIGNAL = signal.SIGRTMIN + 5
"""Makes an arm write its stacks into its log; a signal that nobody else is likely to use."""
ADDRESS_SLACK = 4
"""How many times its memory limit an arm may ask for, touched or not, before it is refused."""


def run(
    job: Mapping[str, Any],
    temporary: Path,
    parent: int,
    stream: int,
    close: Sequence[int],
    arm_only: frozenset[str],
) -> NoReturn:
    """Turns this fork into the arm and ends it.

    `stream` leads to the pool, `close` are descriptors that belong to the others.
    """
    code = OWN_FAILURE
    try:
        prctl.die_with(parent)
        files = Files(Path(job["folder"]))
        _detach(files, close)
        _limit_memory(job["memory_mb"])
        _set_variables(job["variables"], temporary)
        _confine(Protected.from_json(job["protected"]), files.folder, temporary)
        code = _work(job, _testimony(stream, job["watched"]), arm_only)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001
        # Only our own failures come here: the entry's were told. The log says what it was.
        traceback.print_exc()
    finally:
        # No atexit handlers: they are the fork server's modules', and may hang or fault after the result.
        os._exit(code)


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
    temporary.mkdir(mode=0o700)
    os.environ.update({"TMPDIR": str(temporary), **variables})
    tempfile.tempdir = None
    sys.argv = ["refault-arm"]


def _confine(protected: Protected, *own: Path) -> None:
    """Takes from the arm what it must not write; its own folders stay its own."""
    if protected.read_only:
        confine.enter(replace(protected, writable=(*protected.writable, *own)))


def _testimony(descriptor: int, packages: Sequence[str]) -> Testimony:
    """The arm's end of the stream; what it forks has none."""
    stream = socket.socket(fileno=descriptor)
    os.register_at_fork(after_in_child=stream.close)
    return Testimony(stream, alterations.watched(packages))


def _work(job: Mapping[str, Any], testimony: Testimony, arm_only: frozenset[str]) -> int:
    """Calls the entry and says what came of it; the exit code."""
    before = frozenset(sys.modules)
    me, end, describe = os.getpid(), testimony.end, _describe
    try:
        result = _call(job, testimony)
    except BaseException as error:  # noqa: BLE001 - whatever it is is told
        _end_forks(me)
        _lift_memory_limit()
        traceback.print_exc()
        end(error=describe(error), imported=imported_since(before, arm_only))
        return _code_of(error)
    _end_forks(me)
    end(result=result, imported=imported_since(before, arm_only))
    return 0


def _end_forks(arm: int) -> None:
    """What the entry forked and let run on into here must not speak for the arm."""
    if os.getpid() != arm:
        traceback.print_exc()
        os._exit(1)


def _call(job: Mapping[str, Any], testimony: Testimony) -> dict[str, Any]:
    more = (testimony,) if job["is_asked"] else ()
    result = _find(job["entry"])(job["payload"], Path(job["folder"]), *more)
    if not isinstance(result, dict):
        raise TypeError(f"{job['entry']} returned {type(result).__name__}, not a dict")
    json.dumps(result)  # what cannot be told is the entry's fault, and is to be told as that
    return result


def _find(entry: str) -> Callable[..., object]:
    module, _, name = entry.partition(":")
    found: Callable[..., object] = getattr(importlib.import_module(module), name)
    return found


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

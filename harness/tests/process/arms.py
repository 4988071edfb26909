"""Entries for arms under test: each ends in one particular way."""

from __future__ import annotations

import ctypes
import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.process.testimony import Testimony

Payload = Mapping[str, Any]
Result = dict[str, Any]


def returns(payload: Payload, folder: Path) -> Result:
    return {"payload": dict(payload), "folder": str(folder)}


def describes_itself(payload: Payload, folder: Path) -> Result:
    """What an arm inherits and what it is given."""
    open_files = {
        name: os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if _is_open(name)
    }
    return {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "modules": sorted(sys.modules),
        "environment": dict(os.environ),
        "files": open_files,
        "temporary": tempfile.gettempdir(),
        "cwd": os.getcwd(),
        "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "threads": threading.active_count(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "dataclasses": sorted(vars(dataclasses)),
    }


def _is_open(name: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{name}")


def raises(payload: Payload, folder: Path) -> Result:
    raise ValueError("page_size must be 16")


def raises_about_memory(payload: Payload, folder: Path) -> Result:
    try:
        raise MemoryError
    except MemoryError:
        raise RuntimeError("could not build the index")  # noqa: B904


def segfaults(payload: Payload, folder: Path) -> Result:
    ctypes.string_at(0)
    return {}


def aborts(payload: Payload, folder: Path) -> Result:
    os.abort()


def aborts_for_memory(payload: Payload, folder: Path) -> Result:
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def kills_itself(payload: Payload, folder: Path) -> Result:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def stops_itself(payload: Payload, folder: Path) -> Result:
    os.kill(os.getpid(), signal.SIGSTOP)
    return {}


def system_exits(payload: Payload, folder: Path) -> Result:
    sys.exit(payload["code"])


def ends_silently(payload: Payload, folder: Path) -> Result:
    os._exit(payload["code"])


def sleeps(payload: Payload, folder: Path) -> Result:
    (folder / "running").write_text(str(os.getpid()))
    _a_function_seen_in_the_stack(payload.get("seconds", 600))
    return {}


def _a_function_seen_in_the_stack(seconds: float) -> None:
    time.sleep(seconds)


def ignores_everything(payload: Payload, folder: Path) -> Result:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)
    return {}


def returns_a_set(payload: Payload, folder: Path) -> Result:
    return {"pages": {1, 2}}


def returns_a_list(payload: Payload, folder: Path) -> Any:
    return [1, 2]


def writes(payload: Payload, folder: Path) -> Result:
    line = b"x" * 1023 + b"\n"
    for _ in range(payload["kilobytes"]):
        os.write(1, line)
    print("the last line")
    print("also to stderr", file=sys.stderr)
    return {}


def writes_for_ever(payload: Payload, folder: Path) -> Result:
    block = b"y" * (1 << 20)
    while True:
        os.write(1, block)


def leaves_temporary_files(payload: Payload, folder: Path) -> Result:
    handle, path = tempfile.mkstemp()
    os.close(handle)
    return {"path": path}


def imports(payload: Payload, folder: Path) -> Result:
    already = {name: name in sys.modules for name in payload["modules"]}
    for name in payload["modules"]:
        __import__(name)
    return {"already": already}


def marks_a_module(payload: Payload, folder: Path) -> Result:
    """Leaves a trace in a shared module, to see whether another arm finds it."""
    import decimal

    found = hasattr(decimal, "marked")
    decimal.marked = True  # type: ignore[attr-defined]
    return {"found": found}


# --- memory ----------------------------------------------------------------------------------


def grows(payload: Payload, folder: Path, pause: float = 0) -> Result:
    kept = []
    while True:
        kept.append(bytearray(b"z" * (1 << 20)))  # zeros alone need not become resident
        time.sleep(pause)


def grows_in_a_child(payload: Payload, folder: Path) -> Result:
    if os.fork() == 0:
        # Descendants are looked at ten times a second: one that grows faster is refused memory first,
        # and then it is the arm's own affair what comes of that.
        grows(payload, folder, pause=0.005)
    time.sleep(600)
    return {}


def grows_in_shared_memory(payload: Payload, folder: Path) -> Result:
    import mmap

    kept = []
    while True:
        kept.append(mmap.mmap(-1, 1 << 20))
        kept[-1].write(b"z" * (1 << 20))


def numpy_at_once(payload: Payload, folder: Path) -> Result:
    import numpy

    return {"sum": float(numpy.ones(payload["megabytes"] << 17).sum())}


def numpy_gradually(payload: Payload, folder: Path) -> Result:
    import numpy

    kept = []
    while True:
        kept.append(numpy.ones(1 << 17))


def torch_at_once(payload: Payload, folder: Path) -> Result:
    import torch

    return {"sum": float(torch.ones(payload["megabytes"] << 18).sum())}


def torch_gradually(payload: Payload, folder: Path) -> Result:
    import torch

    kept = []
    while True:
        kept.append(torch.ones(1 << 18))


def asks_for_much_but_uses_little(payload: Payload, folder: Path) -> Result:
    import mmap

    with mmap.mmap(-1, payload["megabytes"] << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as kept:
        kept[0] = 1
    return {}


def forks_many_small(payload: Payload, folder: Path) -> Result:
    """Many processes that share what they inherit, which is not what a limit is about."""
    ballast = bytearray(payload["megabytes"] << 20)
    children = [os.fork() for _ in range(6)] if ballast else []
    if 0 in children:
        time.sleep(600)
    time.sleep(0.7)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return {}


# --- children that try to stay ---------------------------------------------------------------


def leaves_daemons(payload: Payload, folder: Path) -> Result:
    """A plain child, a double-forked one in a session of its own, and a foreign program."""
    (folder / "arm").write_text(str(os.getpid()))
    _child(folder, "plain")
    _daemon(folder)
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    _await(folder, "plain", "daemon")
    if payload.get("sleep"):
        time.sleep(payload["sleep"])
    if payload.get("crash"):
        ctypes.string_at(0)
    return {}


def _child(folder: Path, name: str) -> None:
    if os.fork() == 0:
        (folder / name).write_text(str(os.getpid()))
        time.sleep(600)
        os._exit(0)


def _daemon(folder: Path) -> None:
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    (folder / "daemon").write_text(str(os.getpid()))
    time.sleep(600)
    os._exit(0)


def _await(folder: Path, *names: str) -> None:
    while not all((folder / name).exists() for name in names):
        time.sleep(0.005)


def runs_away(payload: Payload, folder: Path) -> Result:
    """Each generation forks the next and ends, faster than /proc can be read."""
    if os.fork() == 0:
        while True:
            if os.fork():
                os._exit(0)
    return {"session": os.getsid(0)}


def makes_its_folder_unwritable(payload: Payload, folder: Path) -> Result:
    """A directory where the result belongs: not even root can write over that."""
    (folder / "result.json").mkdir()
    (folder / "result.json" / "within").touch()
    return {"said": True}


def forks_into_the_harness(payload: Payload, folder: Path) -> Result:
    """A fork that returns, or raises, out of the entry."""
    pid = os.fork()
    if pid == 0:
        if payload["raises"]:
            raise ValueError("in the fork")
        return {"who": "the fork"}
    os.waitpid(pid, 0)
    return {"who": "the arm"}


def leaves_a_child_that_ends_soon(payload: Payload, folder: Path) -> Result:
    if os.fork() == 0:
        time.sleep(0.03)
        os._exit(0)
    return {}


def answers_slowly(payload: Payload, folder: Path, testimony: Testimony) -> Result:
    """`each` seconds for an answer; from question `silent_at` on none."""
    for question in testimony.questions():
        time.sleep(60 if question == payload.get("silent_at") else payload["each"])
        testimony.answer(question)
    return {}

"""Forks of a process that holds what arms share: for a pool first a supervisor, of that a fork server."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.process import packets, prctl, supervisor
from harness.process.descendants import reap
from harness.process.job import write_json
from harness.process.supervisor import Role
from harness.process.warm.loaded import Loaded


def tell_loaded(path: Path, since: int) -> None:
    """Writes what this process has loaded, from a fork: looking leaves nothing here that arms would have."""
    if child := os.fork():
        os.waitpid(child, 0)
        return
    code = 70
    try:
        write_json(path, Loaded.here(since).to_json())
        code = 0
    except BaseException:  # noqa: BLE001 - it goes to the log, and the missing file tells
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def lend(
    message: Mapping[str, Any], descriptors: Sequence[int], own: socket.socket, scratch: Path
) -> Role | None:
    """Has a supervisor forked for a pool; None here, its role in the fork server that comes of it.

    `descriptors` are the pool's link, a pidfd of the pool's process, and its standard error; `own` link and
    `scratch` are this process's, and leave no trace in the forks.
    """
    # A supervisor is the pool's, and outlives this process. Until then nobody else collects it.
    signal.signal(signal.SIGCHLD, lambda *_: reap())
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        packets.close(descriptors)
        return None
    role = None
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        own.close()
        role = _supervise(message, descriptors, scratch)
    except SystemExit as ended:
        sys.stderr.write(str(ended.code or ""))
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - it goes to the pool's standard error, and the lost link tells it
        sys.excepthook(*sys.exc_info())
    finally:
        if role is None:
            os._exit(0)
    return role


def _supervise(message: Mapping[str, Any], descriptors: Sequence[int], scratch: Path) -> Role | None:
    """As a supervisor that was executed is: in a session of its own, with nothing but its standard error."""
    link, pool, stderr = descriptors
    os.setsid()
    faulthandler.disable()
    with open(os.devnull, "r+b", buffering=0) as nothing:
        for standard, taken in enumerate((nothing.fileno(), nothing.fileno(), stderr)):
            os.dup2(taken, standard)
    os.close(stderr)
    become = partial(_serve, given=message, scratch=scratch)
    return supervisor.watch(
        socket.socket(fileno=link), pool, message["scratch"], become, [os.pidfd_open(os.getpid())]
    )


def _serve(message: Mapping[str, Any], descriptor: int, given: Mapping[str, Any], scratch: Path) -> Role:
    """As a fork server that was executed is: its name, its signals, its variables, its folder."""
    prctl.name_process("refault-fork-server")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    _move(str(scratch), given["scratch"])
    for name, value in given["variables"].items():
        os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    return Role(socket.socket(fileno=descriptor), Path(given["scratch"]))


def _move(before: str, now: str) -> None:
    """What modules put into the environment about this process's folder is to be of the pool's."""
    tempfile.tempdir = None
    for name, value in os.environ.items():
        if before in value:
            os.environ[name] = moved = value.replace(before, now)
            if os.path.isdir(value):
                os.makedirs(moved, mode=0o700, exist_ok=True)

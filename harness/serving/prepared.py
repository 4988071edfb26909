"""A server's first process, forked from one that has imported already what servers import of third parties.

Two thirds of a tiny server's start are torch, transformers and their like. Nothing of the package under test
is among them. What is run, with which arguments, environment and log, is what a fresh interpreter would run.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import importlib
import logging
import os
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy

from harness.host.boot import sitecustomize
from harness.process import packets, prctl, usage
from harness.process.arm import DUMP_SIGNAL

PATCH = "the first process: a fork that has imported third-party modules, not a fresh interpreter"
_PROGRAM = 4
"""Words of a command line up to the module's name: interpreter, -P, -m, module."""
_LOOK_EVERY = 0.01


class Process:
    """The server's first process, a child of this one, as `subprocess.Popen` has one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self, timeout: float) -> int:
        """Reap it; its exit code, negative for a signal. subprocess.TimeoutExpired if it does not end."""
        deadline = time.monotonic() + timeout
        while not (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(_LOOK_EVERY)
        return os.waitstatus_to_exitcode(ended[1])


class Prepared:
    """A child of this process that waits to be told what to run, and ends where it never is."""

    def __init__(self) -> None:
        self._link, theirs = packets.pair()
        self._pid = os.fork()
        if self._pid == 0:
            self._link.close()
            _wait(theirs)
        theirs.close()

    @classmethod
    def here(cls) -> Prepared | None:
        """None in a process with threads, of whose locks a fork may have one for ever."""
        return cls() if usage.threads(os.getpid()) == 1 else None

    def start(self, words: Sequence[str], environment: Mapping[str, str], output: int) -> Process:
        """Have it run `python -P -m module …`, with `output` as its standard streams."""
        message = {"words": list(words[_PROGRAM - 1 :]), "environment": dict(environment)}
        with self._link:
            packets.send(self._link, message, [output])
        return Process(self._pid)

    def discard(self) -> None:
        """End it, if it was not started."""
        if self._link.fileno() >= 0:
            self._link.close()
            os.waitpid(self._pid, 0)


def _wait(link: socket.socket) -> NoReturn:
    try:
        if packet := packets.receive(link):
            message, (output,) = packet
            _become(message, output)
            _run(*message["words"])
    finally:
        os._exit(0)


def _become(message: Mapping[str, Any], output: int) -> None:
    """Be as a fresh interpreter is that was started with these words and this environment."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard, descriptor in enumerate((nothing, output, output)):
        os.dup2(descriptor, standard)
    faulthandler.unregister(DUMP_SIGNAL)
    faulthandler.disable()
    # What the parent has open stays with it. Its objects are never collected here: its frames hold them.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _find_title()
    os.environ.clear()
    os.environ.update(message["environment"])
    _forget_the_parent()
    sys.argv = message["words"]
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if sitecustomize.VARIABLE in os.environ:
        sitecustomize.watch(os.environ[sitecustomize.VARIABLE], patches=[PATCH])


def _find_title() -> None:
    """Let setproctitle, with which upstream names its processes, find where titles go.

    It looks the first time that it is asked, from the variables on: once these are gone it finds nothing.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("setproctitle").getproctitle()
    prctl.name_process("refault-server")  # for it takes the first word of the command


def _forget_the_parent() -> None:
    """What it has set up in this interpreter for itself."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)  # type: ignore[union-attr]
    atexit._clear()
    logging.root.handlers.clear()
    tempfile.tempdir = None
    random.seed()
    numpy.random.seed()
    gc.freeze()
    gc.enable()


def _run(module: str, *_: str) -> NoReturn:
    """Run the module as `python -m` does, to the end of the process."""
    code = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        code = _code(error)
    except BaseException:  # noqa: BLE001 - an interpreter prints whatever it is
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code & 0xFF)


def _code(error: SystemExit) -> int:
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    sys.stderr.write(f"{error.code}\n")
    return 1

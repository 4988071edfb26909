"""SIGTERM and SIGHUP end a run as Ctrl-C does: what was judged by then is told and written."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from harness.errors import RefaultError

_LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)
Ending = KeyboardInterrupt | RefaultError
SIGNALLED = 128
"""The exit code is this and the signal's number, as shells have it."""


class Stopped(KeyboardInterrupt):
    """A signal asked for the end; `number` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def take() -> None:
    """Have each of them raise `Stopped`, but for one that whoever started this wants ignored (nohup)."""
    for number in (*_LIKE_CTRL_C, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def name(error: Ending) -> str:
    """What ended a run: a signal's name, or what went wrong."""
    return signal.Signals(_number(error)).name if isinstance(error, KeyboardInterrupt) else str(error)


def code(error: KeyboardInterrupt) -> int:
    """The exit code of a command that was interrupted."""
    return SIGNALLED + _number(error)


def partial(error: Ending | None, wanted: int) -> dict[str, Any] | None:
    """What a document says of a run that was ended; `wanted` is how many results it was to have."""
    return {"ended_by": name(error), "wanted": wanted} if error else None


def marked(document: dict[str, Any], error: Ending | None, wanted: int) -> dict[str, Any]:
    """A document that says what ended its run, where something did."""
    told = partial(error, wanted)
    return {**document, "partial": told} if told else document


def end(stopped: KeyboardInterrupt | None, otherwise: int = 0) -> NoReturn:
    """Leave the command with the code of the signal that stopped it, or else with this one."""
    sys.exit(code(stopped) if stopped else otherwise)


@contextmanager
def held() -> Iterator[None]:
    """Let what is written in the block be written whole; a signal is told of when it is left."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*_LIKE_CTRL_C, signal.SIGINT))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _number(error: KeyboardInterrupt) -> int:
    return error.number if isinstance(error, Stopped) else signal.SIGINT


def _stop(number: int, frame: FrameType | None) -> None:
    # A CI system that asks twice, each time with another signal, would have the results lost. Somebody at a
    # terminal may insist; SIGKILL ends it at once.
    for asked in _LIKE_CTRL_C:
        if signal.getsignal(asked) is _stop:
            signal.signal(asked, _overlook)
    raise Stopped(number)


def _overlook(number: int, frame: FrameType | None) -> None:
    """No SIG_IGN: of one that is under way when that is set, Python complains."""

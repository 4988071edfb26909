"""What the standard streams may refuse: a character, a reader that has gone, a full disk; or be closed.

What standard output refuses ends the command, since that is where the answer goes. What standard error
refuses does not: progress and warnings are beside the answer.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from harness.errors import BadInput
from harness.report.telling import tell

UNREAD = 141
"""The exit code where nobody reads the output any more: 128 and SIGPIPE, as shells have it."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF, errno.EIO)


class Group(click.Group):
    """A group whose commands let a reader that has gone be noticed: click itself would end with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise SystemExit(UNREAD) from error


class LossyStream(io.FileIO):
    """A stream whose refusals are not told: there is no other place for what it lost."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


class Warnings(logging.Handler):
    """Tells on standard error, once each, what is incidental and went wrong."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._warned: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message not in self._warned:
            self._warned.add(message)
            tell(f"refault: warning: {message}", stderr=True)


def prepare() -> None:
    """Make the streams fit for a command: whatever they are given or refuse, no traceback comes of it."""
    _open_closed()
    if isinstance(sys.stderr, io.TextIOWrapper) and _number(sys.stderr) == 2:
        lossy = io.BufferedWriter(LossyStream(2, "w", closefd=False))
        encoding = sys.stderr.encoding
        sys.stderr = io.TextIOWrapper(lossy, encoding, line_buffering=True, write_through=True)
    take_any_character()
    logging.getLogger("harness").addHandler(Warnings())


def _open_closed() -> None:
    """A closed stream would lend its number to the next file that is opened, which print then writes to."""
    for number, mode in ((0, "r"), (1, "w"), (2, "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # it takes the lowest number, which is this; writing it fails
            name = ("stdin", "stdout", "stderr")[number]
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _number(stream: io.TextIOWrapper) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def take_any_character() -> None:
    """Let both streams write a question mark for what the locale's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


@contextmanager
def written() -> Iterator[None]:
    """Write what the block printed before it is left.

    Raises SystemExit with `UNREAD` where nobody reads it any more, and BadInput where the disk is full.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except SystemExit as error:
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        _drop()  # rich, too, makes a 1 of it, which would be a failing verdict
        raise SystemExit(UNREAD) from error
    except BrokenPipeError as error:
        _drop()
        raise SystemExit(UNREAD) from error
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _drop()
        remedy = "send it to another place, or make room"
        raise BadInput(f"the output cannot be written ({error.strerror}): {remedy}") from error


def _drop() -> None:
    """Lose what is still to be written, which Python would try again, and complain of, at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)

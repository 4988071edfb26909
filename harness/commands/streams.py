"""What standard output may refuse: a character, a reader that has gone, a disk that is full."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from harness.errors import BadInput

UNREAD = 141
"""The exit code where nobody reads the output any more: 128 and SIGPIPE, as shells have it."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Group(click.Group):
    """A group whose commands let a reader that has gone be noticed: click itself would end with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise SystemExit(UNREAD) from error


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

"""`refault triage`: what a foreign server's log tells."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

import click

from harness import catalogue
from harness.commands.options import json_option, reproducers_option
from harness.errors import BadInput
from harness.foreign import cause, shown
from harness.process.log import LARGEST
from harness.report import json as json_report
from harness.report import terminal
from harness.report import triage as report
from harness.serving import logs, triage

_PIECE = 1 << 20
_MOST = 4 << 30
"""Bytes that are taken from a pipe, which need not end."""
_REMEDY = "name a server's log, or - for standard input"
_LOOKED_AT = 8192


@click.command("triage")
@click.argument("file", metavar="FILE")
@reproducers_option
@json_option
def command(file: str, elsewhere: tuple[Path, ...], target: json_report.Target | None) -> None:
    """Read a server's log: its faults, what the machine lacked, and which reproducers match.

    FILE is a log as a server, a container or a launcher wrote it; - is standard input. Only the
    last 64 MiB of a log are read. Ends with 0 when the log was read, whatever it says.
    """
    text = text_of(file)
    reading = logs.read(text)
    found = triage.matches(reading, text, catalogue.read(elsewhere).reproducers)
    report.show(reading, found, terminal.console(stderr=target == "-"))
    if target is not None:
        json_report.write(target, triage.to_json(reading, found))


def text_of(file: str) -> str:
    """The end of a log as text. Raises BadInput for what cannot be read, or is no text."""
    return _decoded(file, _content(file))


def _content(file: str) -> bytes:
    """The end of the log, at most `LARGEST` bytes of it; BadInput where there is none."""
    try:
        if file == "-":
            return _end(sys.stdin.buffer, "standard input")
        with _opened(file) as stream:
            if stream.seekable():
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - 2 * LARGEST))
            found = _end(stream, file, stream.tell() if stream.seekable() else 0)
            if not found and not stream.seekable():
                raise BadInput(f"{shown(file)}: is a FIFO that nobody writes: {_REMEDY}")
            return found
    except (OSError, ValueError) as error:
        raise BadInput(f"{shown(file)}: cannot be read ({cause(error)}): {_REMEDY}") from error


def _opened(file: str) -> BinaryIO:
    """A regular file, or the pipe of a shell's `<(...)`; BadInput for anything else, which may have no end.

    Never waits: a FIFO without a writer is empty.
    """
    stream = os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), "rb")
    mode = os.fstat(stream.fileno()).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        stream.close()
        raise BadInput(f"{shown(file)}: is no regular file: {_REMEDY}")
    os.set_blocking(stream.fileno(), True)
    return stream


def _end(stream: BinaryIO, name: str, before: int = 0) -> bytes:
    """What comes last of a stream that may not seek, without holding more than twice as much.

    `before` bytes were left out already. BadInput where it has no end within _MOST bytes.
    """
    kept, dropped = bytearray(), before
    while piece := stream.read(_PIECE):
        kept += piece
        if len(kept) > 2 * LARGEST:
            dropped += len(kept) - LARGEST
            del kept[:-LARGEST]
        if dropped > before + _MOST:
            raise BadInput(f"{shown(name)}: has no end within {_MOST} bytes: {_REMEDY}")
    if len(kept) > LARGEST:
        dropped += len(kept) - LARGEST
        del kept[:-LARGEST]
    if dropped:
        terminal.tell(
            f"refault: {name}: only the last {LARGEST} bytes are read, {dropped} are not", stderr=True
        )
    return bytes(kept)


def _decoded(file: str, content: bytes) -> str:
    """The text; BadInput for what is none."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:_LOOKED_AT]:
        raise BadInput(f"{shown(file)}: is no text: unpack it, or name a server's log")
    return content.decode("utf-8-sig", errors="replace")

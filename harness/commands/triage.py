"""`refault triage`: what a foreign server's log tells."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import click

from harness import catalogue, triage
from harness.commands.options import json_option
from harness.errors import BadInput
from harness.process.log import LARGEST
from harness.report import json as json_report
from harness.report import terminal
from harness.report import triage as report
from harness.serving import logs

_PIECE = 1 << 20
_LOOKED_AT = 8192


@click.command("triage")
@click.argument("file", metavar="FILE")
@json_option
def command(file: str, target: json_report.Target | None) -> None:
    """Read a server's log: its faults, what the machine lacked, and which reproducers match.

    FILE is a log as a server, a container or a launcher wrote it; - is standard input. Of a log above
    64 MiB its end is read. Ends with 0 when the log was read, whatever it says.
    """
    text = _decoded(file, _content(file))
    reading = logs.read(text)
    found = triage.matches(reading, text, catalogue.load_all())
    report.show(reading, found, terminal.console(stderr=target == "-"))
    if target is not None:
        json_report.write(target, triage.to_json(reading, found))


def _content(file: str) -> bytes:
    """The end of the log, at most `LARGEST` bytes of it; BadInput where there is none."""
    if file == "-":
        return _end(sys.stdin.buffer, "standard input")
    try:
        with Path(file).open("rb") as stream:
            return _end(stream, file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise BadInput(
            f"{file}: cannot be read ({why}): name a server's log, or - for standard input"
        ) from error


def _end(stream: BinaryIO, name: str) -> bytes:
    """What comes last of a stream that may not seek, without holding more than twice as much."""
    kept, dropped = b"", 0
    while piece := stream.read(_PIECE):
        kept += piece
        if len(kept) > 2 * LARGEST:
            dropped += len(kept) - LARGEST
            kept = kept[-LARGEST:]
    if len(kept) > LARGEST:
        dropped += len(kept) - LARGEST
        kept = kept[-LARGEST:]
    if dropped:
        print(f"refault: {name}: only the last {LARGEST} bytes are read, {dropped} are not", file=sys.stderr)
    return kept


def _decoded(file: str, content: bytes) -> str:
    """The text; BadInput for what is none."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:_LOOKED_AT]:
        raise BadInput(f"{file}: is no text: unpack it, or name a server's log")
    return content.decode("utf-8-sig", errors="replace")

"""The JSON document of a run, and where it goes. Its schema is in `harness.documents.schema`."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

from harness import __version__
from harness.documents import FORMAT, sealed, signatures
from harness.errors import BadInput
from harness.foreign import cause, shown
from harness.observation.compare import plain
from harness.verdict import Result

Target = Path | Literal["-"]
"""A file, or `-` for standard output, which then carries the JSON and nothing else."""
PATIENCE = 10.0
"""Seconds that somebody has to come and read a FIFO."""
REMEDY = "give --json a writable file, or - for standard output"


def document(
    results: Sequence[Result],
    machine: Mapping[str, Any],
    tree: Mapping[str, Any],
    partial: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The whole document, as of now. `tree` says which SGLang was tested: version, origin, content hash.

    `partial` says what ended the run before it had all its results, where something did.
    """
    told = [result.to_json() for result in results]
    run = {"format": FORMAT, "run": uuid.uuid4().hex, "refault": __version__}
    ended = {"partial": plain(partial)} if partial else {}
    at = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **ended}
    return sealed({**run, **at, "sglang": plain(tree), "machine": plain(machine), "results": told})


def check_writable(target: Target, remedy: str = REMEDY) -> None:
    """Fail before a run, not after it, where the document could not be written.

    Raises BadInput, which ends with the remedy. Leaves no file behind that was not there.
    """
    if target == "-" or (os.path.exists(target) and not os.path.isfile(target) and not os.path.isdir(target)):
        return  # opening a pipe or a device to test it would be felt at its other end
    existed = os.path.exists(target)
    try:
        with target.open("ab"):
            pass
        if not existed:
            target.resolve().unlink()  # resolved: a link that led nowhere stays
    except OSError as error:
        raise unwritable(target, error, remedy) from error


def write(target: Target, document: Mapping[str, Any], key: Path | None = None) -> None:
    """Write the document as strict JSON with a final newline; with an ssh `key`, its signature beside it.

    Raises BadInput where that fails; what was written by then is removed, for half a document is none.
    """
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        with _opened(target) as file:
            file.write(text)
        if key:
            signatures.signature_of(target).write_bytes(signatures.sign(text.encode(), key))
    except BaseException as error:
        if target.is_file():
            target.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise unwritable(target, error) from error


def _opened(target: Path) -> TextIO:
    """The place to write to. A FIFO that nobody reads is waited for PATIENCE seconds; OSError then."""
    if not target.is_fifo():
        return target.open("w", encoding="utf-8")
    until = time.monotonic() + PATIENCE
    while True:
        try:
            descriptor = os.open(target, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO or time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            os.set_blocking(descriptor, True)
            return os.fdopen(descriptor, "w", encoding="utf-8")


def unwritable(target: Path, error: OSError, remedy: str = REMEDY) -> BadInput:
    """What is said of a place that cannot be written."""
    return BadInput(f"{shown(target)}: cannot be written ({cause(error)}): {remedy}")

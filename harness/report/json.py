"""The JSON document of a run, and where it goes. Its schema is in `harness.documents.schema`."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from harness import __version__, signatures
from harness.compare import plain
from harness.documents import FORMAT, sealed
from harness.errors import BadInput
from harness.verdict import Result

Target = Path | Literal["-"]
"""A file, or `-` for standard output, which then carries the JSON and nothing else."""
REMEDY = "give --json a writable file, or - for standard output"


def document(
    results: Sequence[Result], machine: Mapping[str, Any], tree: Mapping[str, Any]
) -> dict[str, Any]:
    """The whole document, as of now. `tree` says which SGLang was tested: version, origin, content hash."""
    told = [result.to_json() for result in results]
    run = {"format": FORMAT, "run": uuid.uuid4().hex, "refault": __version__}
    at = {"at": datetime.now(UTC).isoformat(timespec="seconds")}
    return sealed({**run, **at, "sglang": plain(tree), "machine": plain(machine), "results": told})


def check_writable(target: Target, remedy: str = REMEDY) -> None:
    """Fail before a run, not after it, where the document could not be written.

    Raises BadInput, which ends with the remedy. Leaves no file behind that was not there.
    """
    if target == "-" or (target.exists() and not target.is_file() and not target.is_dir()):
        return  # opening a pipe or a device to test it would be felt at its other end
    existed = target.exists()
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
        target.write_text(text, encoding="utf-8")
        if key:
            signatures.beside(target).write_bytes(signatures.sign(text.encode(), key))
    except OSError as error:
        if target.is_file():
            target.unlink(missing_ok=True)
        raise unwritable(target, error) from error


def unwritable(target: Path, error: OSError, remedy: str = REMEDY) -> BadInput:
    """What is said of a place that cannot be written."""
    return BadInput(f"{target}: cannot be written ({error.strerror}): {remedy}")

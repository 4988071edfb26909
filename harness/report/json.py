"""The JSON document of a run, and where it goes. Its schema is in `harness.report.schema`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from harness import __version__
from harness.compare import plain
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
    about = {"refault": __version__, "at": datetime.now(UTC).isoformat(timespec="seconds")}
    return {**about, "sglang": plain(tree), "machine": plain(machine), "results": told}


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


def write(target: Target, document: Mapping[str, Any]) -> None:
    """Write the document as strict JSON with a final newline.

    Raises BadInput where that fails; what was written by then is removed, for half a document is none.
    """
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        if target.is_file():
            target.unlink(missing_ok=True)
        raise unwritable(target, error) from error


def unwritable(target: Path, error: OSError, remedy: str = REMEDY) -> BadInput:
    """What is said of a place that cannot be written."""
    return BadInput(f"{target}: cannot be written ({error.strerror}): {remedy}")

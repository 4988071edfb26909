"""What the matrix last measured of each release, kept for whoever asks about one bug."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from harness import catalogue
from harness.errors import BadInput
from harness.facts import Reproducer
from harness.matrix import Cell, Status
from harness.source.releases import order


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release as the matrix found it for one reproducer."""

    release: str
    status: Status
    on: date


def keep(path: Path, cells: Sequence[Cell], on: date) -> None:
    """Take the cells of a matrix into the file; a release that is there already is replaced.

    What was measured with a reproducer that has been rewritten since is dropped.
    Raises BadInput where the file cannot be read or written.
    """
    kept = _read(path)
    for cell in cells:
        source = catalogue.source_digest(cell.reproducer)
        known = _known(kept, cell.reproducer.id, source)
        found = {"status": cell.status.value, "on": on.isoformat()}
        kept[cell.reproducer.id] = {"source": source, "releases": {**known, cell.release: found}}
    _write(path, kept)


def of(path: Path, reproducer: Reproducer) -> list[Release]:
    """What is known of a reproducer as it is written now, the oldest release first.

    Raises BadInput where the file cannot be read.
    """
    known = _known(_read(path), reproducer.id, catalogue.source_digest(reproducer))
    found = [
        Release(release=name, status=Status(told["status"]), on=date.fromisoformat(told["on"]))
        for name, told in known.items()
    ]
    return sorted(found, key=lambda one: order(one.release))


def _known(kept: Mapping[str, Any], reproducer: str, source: str) -> dict[str, Any]:
    """The releases kept of a reproducer with this source."""
    entry = kept.get(reproducer, {})
    return dict(entry["releases"]) if entry.get("source") == source else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        cause = " ".join(str(error).split())
        raise BadInput(f"{path}: cannot be read ({cause}): delete it, and run `refault matrix`") from error


def _write(path: Path, kept: Mapping[str, Any]) -> None:
    """Whole or not at all: another run may read it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise BadInput(f"{path}: cannot be written ({error.strerror}): set REFAULT_CACHE") from error

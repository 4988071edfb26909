"""What the matrix last measured of each release, kept for whoever asks about one bug."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from harness import catalogue, foreign
from harness.errors import BadInput
from harness.facts import Reproducer
from harness.matrix import Cell, Status
from harness.source.releases import order

_log = logging.getLogger(__name__)
_LARGEST = 16 * foreign.MIB
"""Bytes: all bugs on all releases have some 20 KiB."""
_KEPT = {"source", "releases"}
_FOUND = {"status", "on"}


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release as the matrix found it for one reproducer."""

    release: str
    status: Status
    on: date


def keep(path: Path, cells: Sequence[Cell], known: Sequence[Reproducer], on: date) -> None:
    """Take the cells of a matrix of these reproducers into the file.

    A release that is there already is replaced; what was measured with a reproducer that has been rewritten
    since is dropped. The file is incidental: where it cannot be read or written, that is a warning, and it
    stays as it is.
    """
    try:
        _write(path, _with(_read(path), cells, known, on))
    except BadInput as error:
        _log.warning("%s", error)


def _with(
    kept: dict[str, Any], cells: Sequence[Cell], known: Sequence[Reproducer], on: date
) -> dict[str, Any]:
    sources = {one.id: catalogue.source_digest(one) for one in known}
    for cell in cells:
        source = sources[cell.reproducer]
        releases = _known(kept, cell.reproducer, source)
        found = {"status": cell.status.value, "on": on.isoformat()}
        kept[cell.reproducer] = {"source": source, "releases": {**releases, cell.release: found}}
    return kept


def of(path: Path, reproducer: Reproducer) -> list[Release]:
    """What is known of a reproducer as it is written now, the oldest release first.

    A file that cannot be read is a warning, and then nothing is known.
    """
    try:
        known = _known(_read(path), reproducer.id, catalogue.source_digest(reproducer))
    except BadInput as error:
        _log.warning("%s", error)
        return []
    return sorted(map(_release, known.items()), key=lambda one: order(one.release))


def _release(told: tuple[str, Mapping[str, str]]) -> Release:
    name, found = told
    return Release(release=name, status=Status(found["status"]), on=date.fromisoformat(found["on"]))


def _known(kept: Mapping[str, Any], reproducer: str, source: str) -> dict[str, Any]:
    """The releases kept of a reproducer with this source."""
    entry = kept.get(reproducer, {})
    return dict(entry["releases"]) if entry.get("source") == source else {}


def _read(path: Path) -> dict[str, Any]:
    """All that is kept, every part of it sound. Raises BadInput for a file that is something else."""
    if not os.path.lexists(path):
        return {}
    try:
        kept = foreign.document(path, largest=_LARGEST)
        for entry in kept.values():
            if entry.keys() != _KEPT or not isinstance(entry["source"], str):
                raise ValueError("an entry has other parts than source and releases")
            _hold_releases(entry["releases"])
    except (BadInput, ValueError, TypeError, AttributeError) as error:
        text = str(error) if isinstance(error, BadInput) else f"{path}: {foreign.cause(error)}"
        raise BadInput(f"{text}: delete it, and run `refault matrix`") from error
    return dict(kept)


def _hold_releases(found: Mapping[str, Mapping[str, str]]) -> None:
    """ValueError, TypeError or AttributeError unless these are releases with what was measured of them."""
    for name, told in found.items():
        if told.keys() != _FOUND:
            raise ValueError("a release has other parts than status and on")
        order(name)
        _release((name, told))


def _write(path: Path, kept: Mapping[str, Any]) -> None:
    """Whole or not at all: another run may read it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        if os.path.lexists(draft):
            draft.unlink()
        raise BadInput(f"{path}: cannot be written ({error.strerror}): set REFAULT_CACHE") from error

"""What former runs found out about trees: where functions are, what a revert makes of files, what it breaks.

Each answer lies in a file of its own, under all that it depends on: what was asked, with the tree's content
hash in it, the code of Refault's that answers, and Python and the parsers that this takes. Nothing is kept of
an error.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import harness
from harness import foreign
from harness.errors import BadInput

LARGEST = 8 * foreign.MIB
"""Bytes of one file: the largest module that a revert rewrites has some 300 KiB."""
MOST = 2000
"""Files that are kept; those that were used longest ago go."""
_PARSERS = ("libcst", "pyflakes")
_ANSWERING = ("source", "facts")
"""The parts of Refault whose code the answers depend on."""
_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


class Answers:
    """Those of this process. They are kept once it was told where, and found again there."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def keep_in(self, folder: Path | None) -> None:
        """From now on, in a folder that no arm can write; None keeps nothing any more."""
        self._folder = folder
        if folder is not None:
            _prune(folder)

    def of(
        self,
        question: Sequence[object],
        find: Callable[[], _Answer],
        told: Callable[[_Answer], Any],
        read: Callable[[Any], _Answer],
    ) -> _Answer:
        """The answer to a question of plain values: as it was kept, or else as it is found.

        `told` makes JSON of an answer, or None of one that is not to be kept; `read` makes it of that.
        """
        if self._folder is None:
            return find()
        path = self._folder / f"{_key(question)}.json"
        if (kept := _kept(path)) is not None:
            return read(kept)
        found = find()
        if (text := told(found)) is not None:
            _keep(path, text)
        return found


@cache
def answers() -> Answers:
    """The one of this process."""
    return Answers()


def _key(question: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps([*question, _answering()]).encode()).hexdigest()


@cache
def _answering() -> str:
    """By what answers may differ though the question is the same."""
    own, code = Path(next(iter(harness.__path__))), hashlib.sha256()
    for part in _ANSWERING:
        for file in sorted((own / part).rglob("*.py")):
            code.update(f"{file.relative_to(own)}\0".encode())
            code.update(file.read_bytes())
    parsers = [importlib.metadata.version(name) for name in _PARSERS]
    return json.dumps([code.hexdigest(), sys.version, parsers])


def _kept(path: Path) -> Any:
    """What a file holds; None where it is not there, or not what was written."""
    if not os.path.lexists(path):
        return None
    try:
        data = foreign.document(path, largest=LARGEST)
        if data["digest"] != _digest(path, data["answer"]):
            raise ValueError("it is not what was written")
        os.utime(path)
    except (BadInput, OSError, ValueError, TypeError, KeyError) as error:
        _log.warning("ignoring %s, which is no kept answer (%s)", path, error)
        return None
    return data["answer"]


def _keep(path: Path, answer: Any) -> None:
    """Whole or not at all; where it cannot be written it is found anew each time."""
    half = path.with_name(f"{path.name}.{os.getpid()}.half")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        half.write_text(json.dumps({"answer": answer, "digest": _digest(path, answer)}), encoding="utf-8")
        half.replace(path)


def _digest(path: Path, answer: Any) -> str:
    return hashlib.sha256(json.dumps([path.name, answer]).encode()).hexdigest()


def _prune(folder: Path) -> None:
    with contextlib.suppress(OSError):  # it is not there yet, or another run is at it
        for old in sorted(folder.iterdir(), key=lambda file: -file.stat().st_mtime)[MOST:]:
            old.unlink()

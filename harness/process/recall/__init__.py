"""What packages work out anew at each import, recalled from a file: a seventh of what imports take.

Each thing that is kept is a function of what it is kept by, so that with it and without it a process comes to
be the same. Only fork servers use it, which run no code under test, and where no arm can write the file.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import foreign
from harness.process.recall import generated, scans
from harness.process.recall.kept import Kept

_log = logging.getLogger(__name__)


@contextmanager
def ahead(kept: Kept | None) -> Iterator[None]:
    """In the block, which imports what arms share, all of it is recalled, and kept for later at its end."""
    if kept is None:
        yield
        return
    with generated.recalled(kept), scans.recalled(kept):
        yield
    kept.save()


@contextmanager
def in_trunk(kept: Kept | None, told: Path) -> Iterator[None]:
    """In the block what is generated is recalled. Texts that are new are told in a file, and kept nowhere: a
    trunk runs code of the tree, and has no part in what later runs take.
    """
    if kept is None:
        yield
        return
    with generated.recalled(kept):
        yield
    if kept.news:
        _tell(told, json.dumps([generated.text(of) for of in kept.news]).encode())


def _tell(told: Path, texts: bytes) -> None:
    """Where there is no room for it nothing is learned, and the trunk is as good as any."""
    try:
        told.write_bytes(texts)
    except OSError as error:
        told.unlink(missing_ok=True)
        _log.warning("what a trunk generated is not told: %s", error)


def learn(path: Path, told: Iterable[bytes]) -> None:
    """Compile the texts that trunks told of, each of which gave what its file held, and keep their code."""
    kept = Kept(path)
    for one in told:
        generated.compile_all(_texts(one), kept)
    kept.save()


def _texts(told: bytes) -> list[bytes]:
    """What a trunk told, whose code may have written anything: it is read as other documents are."""
    try:
        found = foreign.parsed(told)
    except ValueError as error:
        _log.warning("what a trunk generated is not kept: %s", error)
        return []
    return [generated.key(text) for text in found if isinstance(text, str)] if isinstance(found, list) else []

"""What packages work out anew at each import, recalled from a file: a seventh of what imports take.

Each thing that is kept is a function of what it is kept by, so that with it and without it a process comes to
be the same. Only fork servers use it, which run no code under test, and where no arm can write the file.
"""

from __future__ import annotations

import logging
import marshal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
        told.write_bytes(marshal.dumps(kept.news))


def learn(path: Path, told: Iterable[bytes]) -> None:
    """Compile the texts that trunks told of, each of which gave what its file held, and keep their code."""
    kept = Kept(path)
    for one in told:
        generated.compile_all(_texts(one), kept)
    kept.save()


def _texts(told: bytes) -> list[bytes]:
    try:
        found = marshal.loads(told)
    except (ValueError, EOFError, TypeError) as error:
        _log.warning("what a trunk generated is not kept: %s", error)
        return []
    return [text for text in found if isinstance(text, bytes)] if isinstance(found, tuple) else []

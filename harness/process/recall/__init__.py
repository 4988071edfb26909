"""What packages work out anew at each import, recalled from a file: a seventh of what imports take.

Each thing that is kept is a function of what it is kept by, so that with it and without it a process comes to
be the same. Only fork servers use it, which run no code under test, and where no arm can write the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.process.recall import generated, scans
from harness.process.recall.kept import Kept


@contextmanager
def from_file(path: Path | None) -> Iterator[None]:
    """In the block what imports work out is recalled, and kept at its end; nothing is without a path."""
    if path is None:
        yield
        return
    kept = Kept(path)
    with generated.recalled(kept), scans.recalled(kept):
        yield
    kept.save()

"""Folders for temporary files, and the shared memory that belongs to what is in them: cleared together.

Shared memory outlives a process that was killed, and its name need not tell whose it was. So whoever
starts a process that makes some keeps a list in the temporary folder; it is only read once all is ended.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

SHARED_MEMORY = "/dev/shm"
_LIST = "shared-memory"


def note(folder: Path, segments: Iterable[str]) -> None:
    """Keep the names of what is in /dev/shm because of what runs in `folder`."""
    half = folder / f".{_LIST}"
    half.write_text("\n".join(segments))
    half.replace(folder / _LIST)


def clear(folder: str | os.PathLike[str]) -> None:
    """Remove the folder, and the shared memory that any list in it names."""
    for listed in Path(folder).rglob(_LIST):
        with contextlib.suppress(OSError):  # the folder is going, and what is not there need not
            for name in filter(None, listed.read_text().split("\n")):
                Path(SHARED_MEMORY, os.path.basename(name)).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)

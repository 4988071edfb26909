"""What runs that were killed left on this machine, and its removal.

A run clears up after itself however it ends, unless its supervisor is killed with it; the next run then does.
Servers that were started by hand have nobody who does: upstream's leave shared memory when they are killed.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.process.scratch import clear, dead
from harness.serving import segments


@dataclass(frozen=True, kw_only=True)
class Leftovers:
    """Folders of runs, and names of upstream's segments in /dev/shm, that no process uses any more."""

    folders: tuple[Path, ...] = ()
    segments: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.folders or self.segments)

    def remove(self) -> None:
        """Remove all of it. What is gone meanwhile is left out."""
        for folder in self.folders:
            clear(folder)
        for name in self.segments:
            with contextlib.suppress(FileNotFoundError):
                (segments.FOLDER / name).unlink()


def found(temporary: Path | None = None) -> Leftovers:
    """What this user left behind; `temporary` is where runs keep their folders (the system's, if not named).

    A segment that a process in another container uses looks unused where both share /dev/shm.
    """
    folders = dead(temporary or Path(tempfile.gettempdir()))
    return Leftovers(folders=folders, segments=segments.left_behind())

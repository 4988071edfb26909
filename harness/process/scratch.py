"""Folders for temporary files, and the shared memory that belongs to what is in them: cleared together.

Shared memory outlives a process that was killed, and its name need not tell whose it was. So whoever
starts a process that makes some keeps a list in the temporary folder; it is only read once all is ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.process import shared_memory
from harness.process.descendants import descendants

SHARED_MEMORY = str(shared_memory.FOLDER)
_LIST, _LOCK = "shared-memory", "lock"
_NAME, _PATTERN, _HALF = "refault-", "refault-" + "[0-9a-f]" * 8, ".half"
_HALF_FOR = 60.0
"""Seconds: far more than it takes to lock a folder that was just made."""


def new(parent: Path) -> Path:
    """A name for a pool's folder that nobody has yet; `make` makes it."""
    return parent / f"{_NAME}{secrets.token_hex(4)}"


def make(folder: str | os.PathLike[str]) -> int:
    """Make a pool's folder, locked for as long as the descriptor that is returned stays open.

    The kernel drops the lock with its holder, whatever ends that (flock(2)): what is not locked is dead.
    """
    half = f"{os.fspath(folder)}{_HALF}"
    os.mkdir(half, mode=0o700)
    descriptor = os.open(os.path.join(half, _LOCK), os.O_WRONLY | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.rename(half, folder)  # nobody sees it before it is locked
    return descriptor


def dead(parent: Path) -> tuple[Path, ...]:
    """The pools' folders in `parent` whose holder is dead: those of runs that were killed whole."""
    there = [*parent.glob(_PATTERN), *parent.glob(_PATTERN + _HALF)]
    return tuple(sorted(path for path in there if _is_dead(path)))


def clear_dead(parent: Path) -> tuple[Path, ...]:
    """Remove what `dead` finds."""
    found = dead(parent)
    for path in found:
        clear(path)
    return found


def _is_dead(folder: Path) -> bool:
    """Whether nobody holds its lock; one without a lock, or of somebody else, is none of ours."""
    try:
        about = folder.stat()
        if about.st_uid != os.getuid() or folder.suffix == _HALF:
            return about.st_uid == os.getuid() and time.time() - about.st_mtime > _HALF_FOR
        with (folder / _LOCK).open("rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def note(folder: Path, segments: Iterable[str]) -> None:
    """Keep the names of what is in /dev/shm because of what runs in `folder`."""
    half = folder / f".{_LIST}"
    half.write_text("\n".join(segments), encoding="utf-8")
    half.replace(folder / _LIST)


def note_used(folder: Path, root: int, before: frozenset[str]) -> None:
    """`note` what the processes below `root` use of what was not `before`; call it before they are ended.

    Most make no shared memory: only where there is new one are they looked for.
    """
    new_ones = shared_memory.present() - before
    if not new_ones or not folder.is_dir():
        return
    if used := sorted(new_ones & shared_memory.used(one.pid for one in descendants(root))):
        with contextlib.suppress(OSError):  # a full disk is no reason not to end them
            note(folder, used)


def clear(folder: str | os.PathLike[str]) -> None:
    """Remove the folder, and the shared memory that any list in it names."""
    for listed in _lists(folder):
        with contextlib.suppress(OSError):  # the folder is going, and what is not there need not
            for name in filter(None, listed.read_text(encoding="utf-8").split("\n")):
                Path(SHARED_MEMORY, os.path.basename(name)).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _lists(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """The lists below `folder`. `os.walk` passes over a folder that another clearer takes away meanwhile."""
    return (Path(place, _LIST) for place, _, files in os.walk(folder) if _LIST in files)

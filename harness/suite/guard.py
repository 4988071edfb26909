"""Sees whether files that later runs believe were changed while arms ran, where arms can write them.

A file's size, times and inode tell: nobody sets its change time without the machine's clock. What was changed
is blamed on every case whose arms ran meanwhile, since nobody can say which it was.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_log = logging.getLogger(__name__)


class _Signature(NamedTuple):
    size: int
    modified: int
    changed: int
    inode: int


@dataclass(frozen=True)
class _Incident:
    """A file that was found changed at the moment `seen`, in seconds of time.monotonic()."""

    path: str
    seen: float


class Guard:
    """Watches folders. Those in `restored` are few and small: what is changed in them is put back."""

    def __init__(self) -> None:
        self._known: dict[Path, dict[str, _Signature]] = {}
        self._contents: dict[str, bytes] = {}
        self._restored: set[Path] = set()
        self._incidents: list[_Incident] = []

    def watch(self, folder: Path, *, restored: bool = False) -> None:
        """Watch the files below a folder from now on, bytecode left out; links are not followed."""
        if folder in self._known:
            return
        self._known[folder] = _signatures(folder)
        if restored:
            self._restored.add(folder)
            self._contents |= {path: Path(path).read_bytes() for path in self._known[folder]}

    def changed(self, since: float) -> tuple[str, ...]:
        """The files that were changed since that moment, of time.monotonic(), or may have been."""
        self._look()
        return tuple(dict.fromkeys(one.path for one in self._incidents if one.seen >= since))

    def _look(self) -> None:
        now = time.monotonic()
        for folder, before in self._known.items():
            found = _signatures(folder)
            for path in sorted(path for path in before | found if before.get(path) != found.get(path)):
                self._incidents.append(_Incident(path, now))
                if folder in self._restored:
                    self._restore(path)
                else:
                    _log.warning("%s was changed while arms ran: restore it", path)
            self._known[folder] = _signatures(folder)

    def _restore(self, path: str) -> None:
        """The content as it was when it was first watched."""
        _log.warning("%s was changed while arms ran: it is put back", path)
        if (content := self._contents.get(path)) is None:
            with suppress(FileNotFoundError):  # it was there between two looks
                os.unlink(path)
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as half:
            half.write(content)
        os.chmod(half.name, 0o644)
        os.replace(half.name, path)


def _signatures(folder: Path) -> dict[str, _Signature]:
    return dict(_walk(str(folder)))


def _walk(folder: str) -> Iterator[tuple[str, _Signature]]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):  # what was in it is missed by name
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != "__pycache__":
                yield from _walk(entry.path)
        elif not entry.name.endswith(".pyc"):
            with suppress(FileNotFoundError):  # it is missed by name
                about = entry.stat(follow_symlinks=False)
                yield (
                    entry.path,
                    _Signature(about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino),
                )

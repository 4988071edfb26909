"""What lies in a package's folder: files that can be read, and those that nobody can.

Whatever Python would run without its being among the files makes the folder no tree.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.machinery import EXTENSION_SUFFIXES

from harness.errors import BadInput
from harness.foreign import LARGEST_SOURCE, cause, is_gone, kind, shown

MOST_FILES = 100_000
"""Upstream has some 3,500; links to folders can make endlessly many of a few."""
LARGEST_TREE = 2 << 30
"""Bytes of all files together; upstream's have some 60 MiB."""
DEEPEST_FOLDER = 64
BYTECODE = "__pycache__"

_COMPILED = re.compile(r".*\.pyc(\.\d+)?", re.DOTALL)
"""Bytecode, and what a process that is writing some calls it until it is whole."""
_ALL_READ = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
_Above = frozenset[tuple[int, int]]
Stamp = tuple[int, ...]
"""Of a file, or a folder: device, inode, size, and when its content and its entry last changed."""


def stamp(about: os.stat_result) -> Stamp:
    """What of `about` changes whenever somebody writes the file, renames it or lays another in its place."""
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


@dataclass(frozen=True)
class Listing:
    """Paths relative to the folder. `sizes` are those of the files in bytes; `broken` says why by path.

    `stamps` are those of the files, `folders` those of the folders that they are in, each by its path
    with a slash at the end: nothing is added to a folder, or taken from it, without a change of its own.
    """

    sizes: Mapping[str, int]
    broken: Mapping[str, str]
    stamps: Mapping[str, Stamp] = field(repr=False)
    folders: Mapping[str, Stamp] = field(default_factory=dict, repr=False, compare=False)

    def differs(self, other: Listing) -> str | None:
        """The first path that is not there, or not the same file, in both."""
        one, two = ({**each.broken, **each.stamps} for each in (self, other))
        return min((path for path in {*one, *two} if one.get(path) != two.get(path)), default=None)

    def holds(self, folder: str) -> bool:
        """Whether a second `scan` would surely find the same; asks each entry, and lists none.

        Where it does not, a scan may still do: bytecode that somebody wrote is a change of its folder.
        """
        if self.broken:
            return False
        try:
            known = (*self.folders.items(), *self.stamps.items())
            return all(stamp(os.stat(f"{folder}/{path}")) == before for path, before in known)
        except OSError:
            return False


def scan(folder: str) -> Listing:
    """Everything in the package's folder, links followed, bytecode in its own folders left out.

    BadInput where there is more than a tree may hold, or something that runs and would not be listed:
    bytecode in place of a source, a compiled module beside a source of its name, a folder that can be
    entered and not listed.
    """
    found = _Found(folder)
    found.walk()
    found.refuse_shadows()
    sizes, broken = dict(sorted(found.sizes.items())), dict(sorted(found.broken.items()))
    return Listing(sizes, broken, found.stamps, found.folders)


class _Found:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._entries, self._bytes = 0, 0
        self.sizes: dict[str, int] = {}
        self.broken: dict[str, str] = {}
        self.stamps: dict[str, Stamp] = {}
        self.folders: dict[str, Stamp] = {}

    def walk(self) -> None:
        try:
            about = os.stat(self._folder)
        except OSError as error:
            raise self._refusal("", f"cannot be listed ({cause(error)})") from error
        self.folders[""] = stamp(about)
        waiting: list[tuple[str, _Above]] = [("", frozenset({(about.st_dev, about.st_ino)}))]
        while waiting:
            prefix, above = waiting.pop()
            for entry in self._entries_of(prefix):
                self._count(1, 0)
                if deeper := self._take(prefix, entry, above):
                    waiting.append(deeper)

    def refuse_shadows(self) -> None:
        for path in self.sizes:
            stem = _module_of(path)
            if stem and f"{stem}.py" in self.sizes:
                text = f"hides {shown(os.path.basename(stem))}.py, so that what runs has no source"
                raise self._refusal(path, text)

    def _entries_of(self, prefix: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(os.path.join(self._folder, prefix)) as found:
                entries = list(found)
        except OSError as error:
            return self._unlisted(prefix, error)
        compiled = _is_bytecode_folder(prefix)
        return [entry for entry in entries if not (compiled and _COMPILED.fullmatch(entry.name))]

    def _unlisted(self, prefix: str, error: OSError) -> list[os.DirEntry[str]]:
        """A folder that nobody can list holds nothing that runs, unless one can enter it."""
        if error.errno != errno.EACCES or os.access(os.path.join(self._folder, prefix), os.X_OK):
            raise self._refusal(prefix, f"cannot be listed ({cause(error)})") from error
        self.broken[prefix] = f"cannot be listed ({cause(error)})"
        return []

    def _take(self, prefix: str, entry: os.DirEntry[str], above: _Above) -> tuple[str, _Above] | None:
        """Note one entry; a folder is to be looked at later, unless it is a link to one above it."""
        path = prefix + entry.name
        try:
            about = entry.stat()
        except OSError as error:
            self._lost(path, error)
            return None
        if stat.S_ISDIR(about.st_mode):
            return self._deeper(f"{path}/", about, above)
        self._file(path, about)
        return None

    def _lost(self, path: str, error: OSError) -> None:
        if not is_gone(error) and error.errno != errno.EACCES:
            raise self._refusal(path, f"cannot be read ({cause(error)})") from error
        self.broken[path] = f"leads nowhere ({cause(error)})"

    def _deeper(self, path: str, about: os.stat_result, above: _Above) -> tuple[str, _Above] | None:
        here = (about.st_dev, about.st_ino)
        if here in above:
            return None
        # Before it is listed: what comes into it meanwhile is a change since.
        self.folders[path] = stamp(about)
        if len(above) >= DEEPEST_FOLDER:
            raise self._refusal(path, f"lies deeper than {DEEPEST_FOLDER} folders")
        return path, above | {here}

    def _file(self, path: str, about: os.stat_result) -> None:
        if not stat.S_ISREG(about.st_mode):
            self.broken[path] = f"is {kind(about.st_mode)}"
        elif about.st_mode & _ALL_READ != _ALL_READ and not os.access(
            os.path.join(self._folder, path), os.R_OK
        ):
            self.broken[path] = "cannot be read (Permission denied)"
        else:
            self._regular(path, about)

    def _regular(self, path: str, about: os.stat_result) -> None:
        if path.endswith(".pyc"):
            raise self._refusal(path, "is bytecode in place of a source, so that what runs cannot be told")
        if path.endswith(".py") and about.st_size > LARGEST_SOURCE:
            raise self._refusal(path, f"has more than {LARGEST_SOURCE} bytes, too many for a source")
        self._count(0, about.st_size)
        self.sizes[path] = about.st_size
        self.stamps[path] = stamp(about)

    def _count(self, entries: int, size: int) -> None:
        self._entries, self._bytes = self._entries + entries, self._bytes + size
        if self._entries > MOST_FILES or self._bytes > LARGEST_TREE:
            text = f"holds more than {MOST_FILES} entries or {LARGEST_TREE >> 30} GiB"
            raise BadInput(f"{shown(self._folder)}: {text}: give a tree of the package alone")

    def _refusal(self, path: str, told: str) -> BadInput:
        return BadInput(f"{shown(os.path.join(self._folder, path))}: {told}: remove it, or give another tree")


def _is_bytecode_folder(prefix: str) -> bool:
    return os.path.basename(prefix.rstrip("/")) == BYTECODE


def _module_of(path: str) -> str | None:
    """The path of the module that a shared library answers for, without a suffix; None for other files."""
    return next((path.removesuffix(one) for one in EXTENSION_SUFFIXES if path.endswith(one)), None)

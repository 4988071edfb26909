"""The files that a process's modules came from, and whether they are still what it has loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import machinery
from typing import Any

Stamp = tuple[int, int, int]
"""Size in bytes, and the times of the last change of content and of anything, in ns."""
_BYTECODE = "__pycache__"
_FOUND = (*machinery.all_suffixes(), ".pth", ".dist-info", ".egg-info", ".egg-link", ".egg")
_TOLD = ("METADATA", "PKG-INFO", "RECORD", "entry_points.txt", "top_level.txt")
"""Files by which importlib.metadata knows a distribution."""
_NO_FILES = ("/dev/", "/memfd:", "/SYSV", "/[")


@dataclass(frozen=True)
class Loaded:
    """`files` are sources, extension modules and libraries. `folders` are those of the search path and of
    packages, with the time and the names in them: what is installed anew may be found by an import.
    `late` names one that changed while it was loaded.
    """

    files: Mapping[str, Stamp]
    folders: Mapping[str, tuple[int, tuple[str, ...]]]
    late: str | None = None

    def changed(self) -> str | None:
        """The first that is not what it was; None where all are."""
        return next(self._changed(), None)

    def _changed(self) -> Iterator[str]:
        for path, stamp in self.files.items():
            if _stamp(path) != stamp:
                yield path
        for path, (time, names) in self.folders.items():
            if _time(path) != time and _names(path) != names:
                yield path

    def to_json(self) -> dict[str, Any]:
        return {"files": dict(self.files), "folders": dict(self.folders), "late": self.late}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Loaded:
        files = {path: (size, mtime, ctime) for path, (size, mtime, ctime) in data["files"].items()}
        folders = {path: (time, tuple(names)) for path, (time, names) in data["folders"].items()}
        return cls(files, folders, data["late"])

    @classmethod
    def here(cls, since: int) -> Loaded:
        """This process's. What changed after `since`, in ns as files have it, may not be what it loaded."""
        files = _stamps(_files())
        folders = {path: (_time(path), _names(path)) for path in sorted(_folders(files))}
        late = [path for path, stamp in files.items() if stamp[2] >= since]
        late += [new for path in folders if folders[path][0] >= since for new in _new(path, since)]
        return cls(files, folders, next(iter([*late, *_replaced()]), None))

    @classmethod
    def modules(cls, since: int) -> Loaded:
        """The modules of a process that looks for no others any more."""
        files = _stamps(_origins())
        return cls(files, {}, next((path for path, stamp in files.items() if stamp[2] >= since), None))


def _files() -> set[str]:
    """Of all modules, and what is mapped: a library that a module is linked to is none itself.

    And the metadata of what is installed, which is all that modules read beside while they are imported: each
    opening was recorded of torch, transformers and all that they import.
    """
    return _origins() | {path for path in _mapped() if not path.endswith(" (deleted)")} | set(_metadata())


def _metadata() -> Iterator[str]:
    for folder in filter(os.path.isdir, sys.path):
        for name in os.listdir(folder):
            if name.endswith((".dist-info", ".egg-info")):
                yield from (os.path.abspath(os.path.join(folder, name, told)) for told in _TOLD)


def _origins() -> set[str]:
    return {origin for spec in _specs() if spec.has_location and (origin := _file(spec.origin))}


def _stamps(paths: Iterable[str]) -> dict[str, Stamp]:
    return {path: stamp for path in sorted(paths) if (stamp := _stamp(path))}


def _specs() -> Iterator[Any]:
    for module in list(sys.modules.values()):
        # Not getattr: a module that loads others when it is asked would do so.
        spec = getattr(module, "__dict__", {}).get("__spec__")
        if hasattr(spec, "has_location"):
            yield spec


def _file(origin: str | None) -> str | None:
    """The file itself, or the archive that it lies in."""
    path = origin or ""
    while path not in ("", "/"):
        if os.path.isfile(path):
            return os.path.abspath(path)
        path = os.path.dirname(path)
    return None


def _mapped() -> set[str]:
    """proc_pid_maps(5)"""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        paths = {line.rstrip("\n").split(None, 5)[5] for line in maps if len(line.split(None, 5)) > 5}
    return {path for path in paths if path.startswith("/") and not path.startswith(_NO_FILES)}


def _replaced() -> list[str]:
    """What is mapped and was deleted since: another file may lie in its place."""
    return sorted(path for path in _mapped() if path.endswith(" (deleted)"))


def _folders(files: Iterable[str]) -> set[str]:
    portions = {place for spec in _specs() for place in spec.submodule_search_locations or ()}
    sources = {os.path.dirname(path) for path in files if path.endswith(".py")}
    return {os.path.abspath(path) for path in (*portions, *sources, *sys.path) if path}


def _stamp(path: str) -> Stamp | None:
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns


def _time(path: str) -> int:
    """0 for a folder that is not there: it would be found, were it made."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _names(path: str) -> tuple[str, ...]:
    """What an import, or a look at what is installed, could find there; bytecode goes by its source."""
    try:
        names = os.listdir(path)
    except OSError:
        return ()
    return tuple(sorted(name for name in names if name != _BYTECODE and _can_be_found(name)))


def _can_be_found(name: str) -> bool:
    """A name without a dot may be a package's."""
    return "." not in name or name.endswith(_FOUND)


def _new(folder: str, since: int) -> Iterator[str]:
    """What came into it since then."""
    for path in (os.path.join(folder, name) for name in _names(folder)):
        if (stamp := _stamp(path)) and stamp[2] >= since and not os.path.isdir(path):
            yield path

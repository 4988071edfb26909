"""What packages read out of many files as they are imported, kept by the size and time of each file."""

from __future__ import annotations

import functools
import marshal
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from harness import imports
from harness.process.recall.kept import Kept

_Function = Callable[..., Any]


@dataclass(frozen=True)
class Scan:
    """`module.function` takes the path of a folder, or of a file in it, and reads the files below that folder
    whose names end with `ending`, and nothing else. Its result is of Python's plain types.
    """

    module: str
    function: str
    ending: str


SCANS = (
    # What each of transformers' 2,900 modules of models has to offer. It is asked for twice, 0.2 s each.
    Scan("transformers.utils.import_utils", "create_import_structure_from_path", ".py"),
)


@contextmanager
def recalled(kept: Kept, scans: Sequence[Scan] = SCANS) -> Iterator[None]:
    """In the block these functions run only where a file that they read is new, or was written since."""
    with imports.meanwhile({scan.module: functools.partial(_replaced, scan, kept) for scan in scans}):
        yield


@contextmanager
def _replaced(scan: Scan, kept: Kept, module: Any) -> Iterator[None]:
    if (original := getattr(module, scan.function, None)) is None:  # another release of the package
        yield
        return
    setattr(module, scan.function, _recalling(scan, kept, module, original))
    try:
        yield
    finally:
        setattr(module, scan.function, original)


def _recalling(scan: Scan, kept: Kept, module: ModuleType, original: _Function) -> _Function:
    is_scanning = False  # it may call itself for folders below

    @functools.wraps(original)
    def scanned(path: str | os.PathLike[str]) -> Any:
        nonlocal is_scanning
        if is_scanning:
            return original(path)
        of = _about(scan, module, os.fspath(path))
        if (result := kept.get(of)) is None:
            is_scanning = True
            try:
                result = marshal.dumps(original(path))
            finally:
                is_scanning = False
            kept.put(of, result)
        # Of a new result too: sets come in the same order whether or not they were kept.
        return marshal.loads(result)

    return scanned


def _about(scan: Scan, module: ModuleType, path: str) -> bytes:
    """What a result depends on, in one order: the function, and every file that it reads."""
    folder = os.path.dirname(path) if os.path.isfile(path) else path
    own = os.stat(str(module.__file__))
    files = sorted(_files(folder, scan.ending))
    return repr((scan, own.st_size, own.st_mtime_ns, folder, files)).encode("utf-8", "surrogateescape")


def _files(folder: str, ending: str) -> Iterable[tuple[str, int, int]]:
    """Path, bytes and time of last change (ns) of each file below a folder; links are followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(entry.path, ending)
            elif entry.name.endswith(ending):
                about = entry.stat()
                yield entry.path, about.st_size, about.st_mtime_ns

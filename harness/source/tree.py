"""A tree: a directory that goes on sys.path and holds the importable package under test."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import BadInput

_VERSION = re.compile(r"""^(?:__version__|version)\b[^'"\n]*=\s*['"]([^'"]+)['"]""", re.MULTILINE)


@dataclass(frozen=True)
class Tree:
    """`root` goes on sys.path and holds `package`; `origin` is installed, path, reverted or released.

    `ours` is true of what lies in Refault's own cache, where arms may leave bytecode.
    """

    root: Path
    package: str = "sglang"
    origin: str = "path"
    version: str | None = None
    ours: bool = False

    @property
    def folder(self) -> Path:
        """The package's own folder."""
        return self.root / self.package

    @cached_property
    def content_hash(self) -> str:
        """sha256 over paths and bytes of the package's files, links followed, bytecode left out.

        Computed once per Tree: make a new one to notice a change. BadInput if a file cannot be read.
        """
        digest = hashlib.sha256()
        for path in self.files():
            data = _read(self.folder / path)
            digest.update(f"{path}\0{len(data)}\0".encode(errors="surrogateescape"))
            digest.update(data)
        return digest.hexdigest()

    def files(self) -> Iterator[str]:
        """Paths of the package's files relative to its folder, sorted, bytecode left out."""
        yield from sorted(_walk(str(self.folder), "", frozenset()))

    def read(self, path: str) -> bytes:
        """The bytes of a file of the package. BadInput if it cannot be read."""
        return _read(self.folder / path)


def installed(package: str = "sglang") -> Tree:
    """The tree that `import package` would take here, found without importing it.

    BadInput if the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.origin or not spec.origin.endswith("__init__.py"):
        raise BadInput(f"{package} is not installed here: install it, or give a path to a tree of it")
    root = _absolute(Path(spec.origin).parent.parent)
    return Tree(root, package, "installed", _version(root, package) or _metadata_version(package))


def at(path: str | Path, package: str = "sglang") -> Tree:
    """The tree at `path`: the folder that holds the package, a checkout, or the package's own folder.

    BadInput if there is no package with an `__init__.py`.
    """
    given = _absolute(Path(path))
    if not given.is_dir():
        raise BadInput(f"{path} is no folder: give the one that contains {package}/, or a checkout")
    own = [given.parent] if given.name == package else []
    for root in (given, given / "python", *own):
        if (root / package / "__init__.py").is_file():
            return Tree(root, package, "path", _version(root, package))
    bare = f"{package}/ without an __init__.py" if (given / package).is_dir() else f"no {package}/"
    raise BadInput(f"{path} holds {bare}: give the folder that contains the package, or a checkout")


def _absolute(path: Path) -> Path:
    # Links stay as given: a tree is what the process gets on its path, not what it points to.
    return Path(os.path.abspath(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        problem = f"{path} cannot be read ({error.strerror})"
        raise BadInput(f"{problem}: restore the tree, or give another") from error


def _walk(folder: str, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    status = os.stat(folder)
    here = (status.st_dev, status.st_ino)
    if here in above:  # a link to a folder above itself would never end
        return
    for entry in os.scandir(folder):
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _walk(entry.path, f"{prefix}{entry.name}/", above | {here})
        elif not entry.name.endswith(".pyc") and (entry.is_file() or entry.is_symlink()):
            yield prefix + entry.name


def _version(root: Path, package: str) -> str | None:
    for name in ("_version.py", "version.py"):
        path = root / package / name
        found = _VERSION.search(path.read_text(errors="replace")) if path.is_file() else None
        if found:
            return found[1]
    beside = importlib.metadata.distributions(name=package, path=[str(root)])
    return next((distribution.version for distribution in beside), None)


def _metadata_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None

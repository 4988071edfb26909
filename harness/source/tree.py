"""A tree: a directory that holds the importable package under test."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness import foreign
from harness.errors import BadInput, Unresolved
from harness.foreign import shown
from harness.source import listing
from harness.source.contents import contents, hashes
from harness.source.listing import LARGEST_TREE, Listing

_VERSION = re.compile(r"""^(?:__version__|version)\b[^'"\n]*=\s*['"]([\w.+!-]{1,64})['"]""", re.MULTILINE)
_METADATA = re.compile(r"^Version: *([\w.+!-]{1,64})$", re.MULTILINE)


@dataclass(frozen=True)
class Tree:
    """`root` is the folder that holds `package`; `origin` is installed, path, reverted or released.

    `ours` is true of what lies in Refault's own cache.
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
    def _place(self) -> str:
        return str(self.folder)

    @cached_property
    def _listing(self) -> Listing:
        return listing.scan(self._place)

    @cached_property
    def content_hash(self) -> str:
        """sha256 over paths and bytes of the package's files, links followed, bytecode left out.

        Computed once per Tree: make a new one to notice a change, or ask `changed`. BadInput if the folder
        holds what no tree may, or if a file cannot be read.
        """
        return hashes().of(self._place, self._listing)

    @property
    def broken(self) -> Mapping[str, str]:
        """What lies in the package and cannot be read, with the reason: links that dangle, FIFOs, …"""
        return self._listing.broken

    def files(self) -> Iterator[str]:
        """Paths of the package's readable files relative to its folder, sorted, bytecode left out."""
        yield from self._listing.sizes

    def read(self, path: str) -> bytes:
        """The bytes of one of `files`. Unresolved if it cannot be read any more."""
        try:
            place, known = f"{self._place}/{path}", self._listing.stamps.get(path)
            return contents().of(place, known) if known else foreign.read(place, largest=LARGEST_TREE)
        except BadInput as error:
            raise Unresolved(f"the tree changed while it was in use: {error}") from error

    def source(self, path: str) -> bytes:
        """The same for a file given by its path from the root, as a `Site` has it."""
        return self.read(path.partition("/")[2])

    def changed(self) -> str | None:
        """What was written, replaced, added or removed since the files were listed, in one line.

        Costs a look at every file's entry (some 20 ms for upstream) and reads none.
        """
        try:
            before = self._listing
            after = before if before.holds(self._place) else listing.scan(self._place)
        except BadInput as error:
            return f"the tree changed while it was in use: {error}"
        found = before.differs(after)
        text = f"{self.package}/{shown(found)} changed while the tree was in use" if found else None
        return text and f"{text}: leave it alone, and run again"


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
    if not os.path.isdir(given):
        remedy = f"give the one that contains {package}/, or a checkout"
        raise BadInput(f"{shown(path)} is no folder: {remedy}")
    own = [given.parent] if given.name == package else []
    for root in (given, given / "python", *own):
        if os.path.isfile(root / package / "__init__.py"):
            return Tree(root, package, "path", _version(root, package))
    bare = f"{package}/ without an __init__.py" if os.path.isdir(given / package) else f"no {package}/"
    raise BadInput(f"{shown(path)} holds {bare}: give the folder that contains the package, or a checkout")


def _absolute(path: Path) -> Path:
    # Links stay as given: a tree is what the process gets on its path, not what it points to.
    return Path(os.path.abspath(path))


def _version(root: Path, package: str) -> str | None:
    """What the package says of itself, or the metadata beside it; None where neither does."""
    for name in ("_version.py", "version.py"):
        if found := _found(_VERSION, root / package / name):
            return found
    beside = (*sorted(root.glob(f"{package}-*.dist-info/METADATA")), root / f"{package}.egg-info/PKG-INFO")
    return next((found for path in beside if (found := _found(_METADATA, path))), None)


def _found(wanted: re.Pattern[str], path: Path) -> str | None:
    if not os.path.isfile(path) or not os.access(path, os.R_OK):
        return None
    found = wanted.search(foreign.read(path, largest=foreign.LARGEST_SOURCE).decode(errors="replace"))
    return found[1] if found else None


def _metadata_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None

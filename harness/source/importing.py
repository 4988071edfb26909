"""How an arm imports the code under test: from its tree, from sources, and nothing else of that folder.

It runs inside the arm's process, and in every process of a server, before the package is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader, SourcelessFileLoader
from importlib.metadata import Distribution, DistributionFinder, MetadataPathFinder
from importlib.util import cache_from_source
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import Unresolved
from harness.source.bytecode import Shelf
from harness.source.listing import BYTECODE


def install(root: Path, package: str, bytecode: Mapping[str, str]) -> None:
    """Have the package imported from the folder `root` from now on.

    The folder itself stays off the path: what lies beside the package (another's `json.py`, a stale
    `aiter/`) is no part of what was hashed. No process writes bytecode any more.
    """
    sys.dont_write_bytecode = True
    sys.meta_path.insert(0, TreeFinder(root, package, Shelf(bytecode)))


class TreeFinder(MetaPathFinder):
    """Finds the modules of one package below one folder, and its metadata."""

    def __init__(self, root: Path, package: str, shelf: Shelf) -> None:
        self._root, self._package, self._shelf = str(root), package, shelf

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != self._package:
            return None
        spec = PathFinder.find_spec(fullname, [self._root] if path is None else path, target)
        if spec is None and path is None:  # no other finder is to take one from elsewhere
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        if spec is None:
            return None
        if isinstance(spec.loader, SourcelessFileLoader) or BYTECODE in fullname:
            raise Unresolved(f"{fullname} is bytecode alone, at {spec.origin}: remove it from the tree")
        if type(spec.loader) is SourceFileLoader and spec.origin:
            spec.loader = _Loader(fullname, spec.origin, self._shelf)
        return spec

    def find_distributions(self, context: DistributionFinder.Context | None = None) -> Iterator[Distribution]:
        """The package's own, for whoever asks for it by name or for all there are."""
        asked = context or DistributionFinder.Context()
        if asked.name in (None, self._package) and "path" not in vars(asked):
            own = DistributionFinder.Context(name=self._package, path=[self._root])
            yield from MetadataPathFinder.find_distributions(own)


class _Loader(SourceFileLoader):
    """Takes bytecode from the run's own file where Python would look for it beside the source."""

    def __init__(self, fullname: str, path: str, shelf: Shelf) -> None:
        super().__init__(fullname, path)
        self._shelf = shelf

    def get_data(self, path: str) -> bytes:
        if path != cache_from_source(self.path):
            return super().get_data(path)
        made = self._shelf.of(super().get_data(self.path))
        if made is None:
            raise FileNotFoundError(path)  # so that it is compiled
        return made

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Nothing that an arm compiles is kept."""

"""The package with and without the fix, as syntax: what a revert changes, and all that it leaves alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache

from harness.draft.searched import Searched
from harness.source.symbols import module_name


class Package:
    """A tree, and the texts that a revert gives some of its files, by their path in the package."""

    def __init__(self, searched: Searched, reverted: Mapping[str, str]) -> None:
        self.searched, self.reverted = searched, reverted

    def name(self, path: str) -> str:
        """The dotted name of a file's module."""
        return module_name(self.searched.tree, path)

    def text(self, path: str) -> bytes:
        """A file without the fix."""
        found = self.reverted.get(path)
        return self.searched.source(path) if found is None else found.encode()

    def was(self, path: str) -> ast.Module:
        """A file's syntax with the fix."""
        return _parsed(self.searched.source(path))

    def now(self, path: str) -> ast.Module:
        """A file's syntax without the fix."""
        return _parsed(self.text(path))

    def absolute(self, path: str, node: ast.ImportFrom) -> str | None:
        """The module of the package that a file imports from; None for another package's."""
        name, package = node.module or "", self.searched.tree.package
        if node.level:
            parts = [package, *path.split("/")[:-1]]
            kept = parts[: len(parts) - node.level + 1]
            return ".".join([*kept, *([name] if name else [])])
        return name if name.partition(".")[0] == package else None


@lru_cache(maxsize=256)
def _parsed(source: bytes) -> ast.Module:
    return ast.parse(source)


def imports(module: ast.Module) -> Iterator[ast.ImportFrom]:
    """Every `from … import …` of a module, wherever it stands."""
    return (node for node in ast.walk(module) if isinstance(node, ast.ImportFrom))

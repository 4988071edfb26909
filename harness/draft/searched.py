"""How often a tree has what an edit looks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import libcst as cst

from harness.facts import Edit
from harness.source import match
from harness.source.symbols import module_name
from harness.source.tree import Tree

_DEFINED = rb"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+%s\b"


class Searched:
    """A tree that edits are looked for in; what was parsed for one is kept for the next."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._modules: dict[str, cst.Module] = {}
        self._counts: dict[tuple[str, str, str], int] = {}
        self._mentioning: dict[str, tuple[str, ...]] = {}
        self._texts: dict[str, bytes] = {}
        self._files = frozenset(tree.files())

    def unique(self, edit: Edit, path: str) -> Edit | None:
        """The edit, with its module where it must have one; None if it is not found once in this file."""
        if self.count(edit, path) != 1:
            return None
        named = replace(edit, in_module=module_name(self.tree, path))
        if edit.in_module or self._elsewhere(edit, path):
            return named
        return edit

    def count(self, edit: Edit, path: str) -> int:
        """How often the pattern is found in one file."""
        key = (path, edit.local, edit.replace)
        if key not in self._counts:
            wanted = match.pattern(edit.replace)
            scopes = match.functions(self.parsed(path), edit.local)
            self._counts[key] = sum(len(match.find(scope, wanted)) for scope in scopes)
        return self._counts[key]

    def parsed(self, path: str) -> cst.Module:
        """A file's syntax."""
        if path not in self._modules:
            self._modules[path] = cst.parse_module(self.source(path))
        return self._modules[path]

    def _elsewhere(self, edit: Edit, path: str) -> bool:
        """Whether another module has a function or class of the name: the next release may add to it."""
        name = (edit.in_function or edit.in_class).encode()
        parts = name.split(b".")
        others = (other for other in self.mentioning(parts[-1].decode()) if other != path)
        return any(self._defines(other, edit.local, parts) for other in others)

    def _defines(self, path: str, local: str, parts: list[bytes]) -> bool:
        source = self.source(path)
        if not all(re.search(_DEFINED % re.escape(part), source, re.M) for part in parts):
            return False  # to parse every file that uses the name takes seconds
        if len(parts) == 1 and re.search(
            rb"^(?:async[ \t]+)?(?:def|class)[ \t]+%s\b" % parts[0], source, re.M
        ):
            return True
        return bool(match.functions(self.parsed(path), local))

    def mentioning(self, name: str) -> tuple[str, ...]:
        """The files that define something of this plain name."""
        if name not in self._mentioning:
            wanted = re.compile(_DEFINED % re.escape(name).encode(), re.MULTILINE)
            found = (path for path in self.containing(f" {name}") if wanted.search(self.source(path)))
            self._mentioning[name] = tuple(found)
        return self._mentioning[name]

    def containing(self, text: str) -> tuple[str, ...]:
        """The Python files that have a text."""
        wanted = text.encode()
        return tuple(path for path, source in self._sources() if wanted in source)

    def source(self, path: str) -> bytes:
        """A file's bytes, read once."""
        if path not in self._texts:
            self._texts[path] = self.tree.read(path)
        return self._texts[path]

    def file(self, module: str) -> str | None:
        """The path of a module's file; None if the tree has none."""
        _, _, inner = module.partition(".")
        stem = inner.replace(".", "/")
        paths = (f"{stem}.py", f"{stem}/__init__.py".lstrip("/"))
        return next((path for path in paths if path in self._files), None)

    def is_folder(self, module: str) -> bool:
        """Whether a module is a folder without an `__init__.py`, which Python imports all the same."""
        stem = module.partition(".")[2].replace(".", "/")
        return any(path.startswith(f"{stem}/") for path in self._files)

    def is_opaque(self, module: str) -> bool:
        """Whether a module is there without a Python file: a folder, or one that was compiled."""
        stem = module.partition(".")[2].replace(".", "/")
        compiled = (path for path in self._files if path.startswith(f"{stem}.") and path.endswith(".so"))
        return any(True for _ in compiled) or self.is_folder(module)

    def _sources(self) -> Iterator[tuple[str, bytes]]:
        return ((path, self.source(path)) for path in self.tree.files() if path.endswith(".py"))

"""Copies of a tree in which one file is changed by hand, as text: links for all the rest."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from harness.source.tree import Tree


def altered(tree: Tree, root: Path, path: str, changes: dict[str, str]) -> Tree:
    """A tree below `root` whose file `path` (relative to the package) has pieces of text replaced.

    Each piece must be there exactly once, so that a test of another release fails here and not
    by chance.
    """
    text = tree.read(path).decode()
    for old, new in changes.items():
        assert text.count(old) == 1, f"{path} holds {text.count(old)} times: {old}"
        text = text.replace(old, new)
    _link(tree.folder, root / tree.package, Path(path))
    (root / tree.package / path).write_text(text)
    return replace(tree, root=root, origin="path")


def _link(original: Path, copy: Path, path: Path) -> None:
    """Make the folders on the way to `path`, with links to everything beside it."""
    copy.mkdir(parents=True)
    for entry in os.scandir(original):
        if entry.name == "__pycache__":
            _link_bytecode(Path(entry), copy / entry.name, path)
        elif entry.name != path.parts[0]:
            (copy / entry.name).symlink_to(entry.path)
    if len(path.parts) > 1:
        _link(original / path.parts[0], copy / path.parts[0], Path(*path.parts[1:]))


def _link_bytecode(original: Path, copy: Path, path: Path) -> None:
    """Compiling upstream anew would cost every arm seconds."""
    copy.mkdir()
    for compiled in original.glob("*.pyc"):
        if compiled.name.partition(".")[0] != path.stem:
            (copy / compiled.name).symlink_to(compiled)

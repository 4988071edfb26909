"""What is said of a tree in which something is not found."""

from __future__ import annotations

from collections.abc import Sequence

from harness.source.symbols import unreadable
from harness.source.tree import Tree


def called(tree: Tree) -> str:
    """A tree as a message has it."""
    return f"{tree.package} {tree.version}" if tree.version else f"{tree.package} at {tree.root}"


def unsearched(tree: Tree, functions: Sequence[str]) -> str:
    """The first file that might hold one of these functions and could not be searched, if there is one."""
    found = dict.fromkeys(why for name in functions for why in unreadable(tree, name))
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"; {next(iter(found))}{more}" if found else ""

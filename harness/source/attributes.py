"""Whether anything in a tree has a name."""

from __future__ import annotations

import ast
from pathlib import Path

from harness.errors import BadInput
from harness.source.symbols import parse
from harness.source.tree import Tree


def defines(tree: Tree, name: str) -> bool:
    """Whether some code of the tree defines, assigns or takes the name, or spells it out as a text."""
    word = name.encode()
    texts = ((path, tree.read(path)) for path in tree.files() if path.endswith(".py"))
    mentioning = (_parsed(source, tree.folder / path) for path, source in texts if word in source)
    return any(_gives(node, name) for module in mentioning if module for node in ast.walk(module))


def _parsed(source: bytes, path: Path) -> ast.Module | None:
    """A module's syntax; None for one that is no Python, which gives nothing a name."""
    try:
        return parse(source, path)
    except BadInput:
        return None


def _gives(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name == name
    if isinstance(node, ast.Attribute | ast.Name):
        told = node.attr if isinstance(node, ast.Attribute) else node.id
        return told == name and isinstance(node.ctx, ast.Store)
    if isinstance(node, ast.alias):
        return name in (node.asname, node.name)
    # `setattr`, `__slots__` and `SimpleNamespace(name=...)` give names too.
    spelt = (
        node.value if isinstance(node, ast.Constant) else node.arg if isinstance(node, ast.keyword) else None
    )
    return spelt == name

"""Where in a tree a node stands, and the tree with another node put there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import libcst as cst

from harness.source.match.nodes import children

Place = tuple[tuple[str, int | None], ...]
"""The way from a node down to another: field names, with the index in fields that are sequences."""


def places(root: cst.CSTNode) -> Iterator[tuple[Place, cst.CSTNode]]:
    """Every node at or below `root` in source order, with the way to it."""
    waiting: list[tuple[Place, cst.CSTNode]] = [((), root)]
    while waiting:
        place, node = waiting.pop()
        yield place, node
        below = [((*place, (name, index)), child) for name, index, child in children(node)]
        waiting += reversed(below)


def get(node: cst.CSTNode, place: Place) -> Any:
    """What stands at a place."""
    for name, index in place:
        node = getattr(node, name) if index is None else getattr(node, name)[index]
    return node


def put(root: cst.Module, place: Place, new: cst.CSTNode) -> cst.Module:
    """The module with another node at a place; all else of it stays."""
    for depth in range(len(place) - 1, -1, -1):
        parent, (name, index) = get(root, place[:depth]), place[depth]
        new = _with_child(parent, name, index, new)
    assert isinstance(new, cst.Module)
    return new


def _with_child(parent: cst.CSTNode, name: str, index: int | None, new: Any) -> cst.CSTNode:
    if index is not None:
        items = getattr(parent, name)
        return parent.with_changes(**{name: [*items[:index], new, *items[index + 1 :]]})
    try:
        return parent.with_changes(**{name: new})
    except cst.CSTValidationError:  # `not(x)` and its like have no space for a name without brackets
        return parent.with_changes(**{name: bracketed(new)})


def bracketed(value: cst.BaseExpression) -> cst.BaseExpression:
    """The expression in round brackets."""
    return value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])

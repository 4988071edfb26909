"""The syntax of a node as a number, which two nodes share if they are the same code."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_KEPT = "refault_syntax"
"""Where a node keeps its number: whole modules are compared node by node, and `ast.dump` forgets."""
_UNUSED = frozenset(("ctx", "type_comment", "kind"))


def syntax(node: ast.AST) -> int:
    """The number, made once for each node; whether a name is read or set is no part of it.

    Two processes give one node two numbers, as with every hash of a text.
    """
    kept = node.__dict__.get(_KEPT)
    if kept is None:
        kept = node.__dict__[_KEPT] = hash((type(node), *_parts(node)))
    return int(kept)


def same(one: ast.AST, other: ast.AST) -> bool:
    """Whether two nodes are the same code."""
    return type(one) is type(other) and syntax(one) == syntax(other)


def _parts(node: ast.AST) -> Iterator[object]:
    return (_value(getattr(node, name, None)) for name in node._fields if name not in _UNUSED)


def _value(value: object) -> object:
    if isinstance(value, ast.AST):
        return syntax(value)
    if isinstance(value, list):
        return tuple(map(_value, value))
    return type(value), value  # 1, 1.0 and True are equal

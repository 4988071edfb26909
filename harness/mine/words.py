"""How like two pieces of code are, by the words that they are written with."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator


def bag(node: ast.AST) -> Counter[str]:
    """The words of a node, with how often each stands in it."""
    return Counter(words(node))


def likeness(one: Counter[str], other: Counter[str]) -> float:
    """The share of words that two have in common, from 0 to 1."""
    return 2 * (one & other).total() / (one.total() + other.total() or 1)


def share(part: Counter[str], whole: Counter[str]) -> float:
    """The share of the words of `part` that are in `whole`, from 0 to 1."""
    return (part & whole).total() / (part.total() or 1)


def words(node: ast.AST) -> Iterator[str]:
    """What a statement is written with: names, attributes, constants, keywords, and kinds of nodes."""
    for one in ast.walk(node):
        match one:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Constant(value=value):
                yield repr(value)
            case ast.keyword(arg=str(name)):
                yield f"{name}="
            case ast.expr() | ast.stmt():
                yield type(one).__name__

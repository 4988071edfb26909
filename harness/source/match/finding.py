"""Functions of a module by name, and what a pattern finds in them."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from harness.errors import BadInput
from harness.source.match.nodes import BLOCK, Piece, children, parsed, pieces_in
from harness.source.match.same import matches

_CLAUSES = (cst.Else, cst.Finally, cst.ExceptHandler, cst.ExceptStarHandler, cst.MatchCase)
# Fields that hold a bare name rather than an expression.
_NAMES = frozenset({"attr", "keyword", "name", "names", "module"})


def pattern(text: str) -> Piece:
    """The one expression or statement that `text` spells. BadInput if it is another number of them."""
    small = [piece for line in parsed(text) for piece in pieces_in(line)]
    if len(small) != 1:
        raise BadInput(f"a pattern is one expression or one statement, not {len(small)}: {text!r}")
    return small[0].value if isinstance(small[0], cst.Expr) else small[0]


def find(function: cst.FunctionDef, wanted: Piece) -> tuple[Piece, ...]:
    """Every expression or statement of the function, nested functions included, that matches."""
    return tuple(node for node in _searched(function) if matches(wanted, node))


def functions(module: cst.Module, qualname: str) -> tuple[cst.FunctionDef, ...]:
    """The definitions with that qualified name, in source order."""
    return tuple(node for name, node in _definitions(module, ()) if name == qualname)


def _searched(function: cst.FunctionDef) -> Iterator[Piece]:
    """Expressions and statements of a function: its body and its parameters' defaults, never annotations."""
    yield from _inside(function.params)
    yield from _inside(function.body)


def _inside(node: cst.CSTNode) -> Iterator[Piece]:
    for name, _, child in children(node):
        if name in _NAMES or isinstance(child, cst.Annotation):
            continue
        # A piece of adjacent literals is no expression of its own.
        if isinstance(child, Piece) and not isinstance(node, cst.ConcatenatedString):
            yield child
        yield from _inside(child)


def _definitions(node: cst.CSTNode, outer: tuple[str, ...]) -> Iterator[tuple[str, cst.FunctionDef]]:
    for _, _, child in children(node):
        if isinstance(child, cst.FunctionDef | cst.ClassDef):
            inside = (*outer, child.name.value)
            if isinstance(child, cst.FunctionDef):
                yield ".".join(inside), child
            yield from _definitions(child.body, inside)
        elif isinstance(child, (cst.BaseCompoundStatement, *BLOCK, *_CLAUSES)):
            yield from _definitions(child, outer)

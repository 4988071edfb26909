"""Functions of a module by name, and what a pattern finds in them."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from harness.errors import BadInput
from harness.facts.revert import MODULE
from harness.source.match.nodes import BLOCK, Piece, children, parsed, pieces_in
from harness.source.match.same import matches

_CLAUSES = (cst.Else, cst.Finally, cst.ExceptHandler, cst.ExceptStarHandler, cst.MatchCase)
Scope = cst.FunctionDef | cst.ClassDef | cst.Module
# Fields that hold a bare name rather than an expression.
_NAMES = frozenset({"attr", "keyword", "name", "names", "module"})


def pattern(text: str) -> Piece:
    """The one expression or statement that `text` spells. BadInput if it is another number of them."""
    small = [piece for line in parsed(text) for piece in pieces_in(line)]
    if len(small) != 1:
        raise BadInput(f"a pattern is one expression or one statement, not {len(small)}: {text!r}")
    return small[0].value if isinstance(small[0], cst.Expr) else small[0]


def find(scope: Scope, wanted: Piece) -> tuple[Piece, ...]:
    """Every expression or statement of the scope that matches, and the definition of the scope itself.

    Nested functions belong to a function; to a class or a module belong the definitions in it, as wholes.
    """
    return tuple(node for node in _searched(scope) if matches(wanted, node))


def functions(module: cst.Module, qualname: str) -> tuple[Scope, ...]:
    """The functions with that qualified name in source order; `class C` and `<module>` name others."""
    if qualname == MODULE:
        return (module,)
    return tuple(node for name, node in _definitions(module, ()) if name == qualname)


def _searched(scope: Scope) -> Iterator[Piece]:
    """What edits reach of a scope: its body and its parameters' defaults, never annotations."""
    if isinstance(scope, cst.FunctionDef):
        yield scope
        yield from _inside(scope.params)
        yield from _inside(scope.body)
    elif isinstance(scope, cst.ClassDef):
        yield scope
        yield from _inside(scope.body, into=False)
    else:
        yield from _inside(scope, into=False)


def _inside(node: cst.CSTNode, into: bool = True) -> Iterator[Piece]:
    for name, _, child in children(node):
        if name in _NAMES or isinstance(child, cst.Annotation):
            continue
        # A piece of adjacent literals is no expression of its own.
        if isinstance(child, Piece) and not isinstance(node, cst.ConcatenatedString):
            yield child
        if into or not isinstance(child, cst.FunctionDef | cst.ClassDef):
            yield from _inside(child, into)


def _definitions(node: cst.CSTNode, outer: tuple[str, ...]) -> Iterator[tuple[str, Scope]]:
    for _, _, child in children(node):
        if isinstance(child, cst.FunctionDef | cst.ClassDef):
            inside = (*outer, child.name.value)
            name = ".".join(inside)
            yield (name if isinstance(child, cst.FunctionDef) else f"class {name}"), child
            yield from _definitions(child.body, inside)
        elif isinstance(child, (cst.BaseCompoundStatement, *BLOCK, *_CLAUSES)):
            yield from _definitions(child, outer)

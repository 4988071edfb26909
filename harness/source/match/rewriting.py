"""A module with pieces of it replaced; the code around them stays as it is written."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from harness.errors import StaleRevert
from harness.source.match.expressions import fitted, sole_expression
from harness.source.match.nodes import Piece, parsed
from harness.source.match.places import Place, get, places, put
from harness.source.match.statements import change_statement


def rewrite(module: cst.Module, changes: Sequence[tuple[Piece, str]]) -> cst.Module:
    """The module with each piece replaced by its text; an empty text removes a statement.

    StaleRevert if pieces overlap, or if a piece cannot be replaced so where it stands.
    """
    order = {id(node): number for number, (_, node) in enumerate(places(module))}
    _forbid_overlap([piece for piece, _ in changes])
    # Backwards, because taking a statement out hands its comments to the one that follows.
    for piece, by in sorted(changes, key=lambda change: -order[id(change[0])]):
        place = next(place for place, node in places(module) if node is piece)
        module = put(module, *_change(module, place, by))
    return module


def _forbid_overlap(pieces: Sequence[Piece]) -> None:
    for piece in pieces:
        inner = {id(node) for _, node in places(piece)}
        if sum(id(other) in inner for other in pieces) > 1:
            raise StaleRevert("two edits of one form change the same piece of code")


def _change(module: cst.Module, place: Place, by: str) -> tuple[Place, cst.CSTNode]:
    """Which node to put where, so that the piece at `place` reads `by`."""
    target, parent = get(module, place), get(module, place[:-1])
    lines = parsed(by)
    if not isinstance(target, cst.BaseExpression):
        return change_statement(module, place, lines)
    value = sole_expression(lines)
    if value is not None:
        return place, fitted(value, target, parent, place[-1][0])
    if isinstance(parent, cst.Expr):
        return change_statement(module, place[:-1], lines)
    what = "several statements" if lines else "nothing"
    raise StaleRevert(f"`{_code(target)}` is part of a larger statement: {what} cannot take its place")


def _code(node: cst.CSTNode) -> str:
    return " ".join(cst.Module([]).code_for_node(node).split())

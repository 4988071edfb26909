"""A module with pieces of it replaced; the code around them stays as it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from harness.errors import StaleRevert
from harness.source.match.expressions import fitted, sole_expression
from harness.source.match.filling import filled, keeps
from harness.source.match.nodes import Piece, parsed
from harness.source.match.places import Place, get, places, put
from harness.source.match.same import matches
from harness.source.match.statements import change_statement

_TWICE = "two edits of one form change the same piece of code"


@dataclass(frozen=True)
class Change:
    """A piece, the pattern that found it, and what comes in its place; an empty text removes a statement."""

    piece: Piece
    wanted: Piece
    by: str


def rewrite(module: cst.Module, changes: Sequence[Change]) -> cst.Module:
    """The module with each piece replaced.

    StaleRevert if pieces overlap, or if a piece cannot be replaced so where it stands.
    """
    where = {id(node): (number, place) for number, (place, node) in enumerate(places(module))}
    _forbid_overlap(changes)
    # Backwards, because taking a statement out hands its comments to the one that follows. So what is
    # before a change, or around it, is still where it was.
    for change in sorted(changes, key=lambda change: -where[id(change.piece)][0]):
        module = put(module, *_change(module, where[id(change.piece)][1], change))
    return module


def _forbid_overlap(changes: Sequence[Change]) -> None:
    """Changes must not overlap, but for what stays of a piece around another."""
    for change in changes:
        inner = {id(node) for _, node in places(change.piece)}
        overlap = sum(id(other.piece) in inner for other in changes) > 1
        if overlap and not keeps(change.wanted, parsed(change.by)):
            raise StaleRevert(_TWICE)


def _change(module: cst.Module, place: Place, change: Change) -> tuple[Place, cst.CSTNode]:
    """Which node to put where, so that the piece at `place` reads as it should."""
    target, parent = get(module, place), get(module, place[:-1])
    if not matches(change.wanted, target):  # another change was in its head
        raise StaleRevert(_TWICE)
    lines = filled(parsed(change.by), change.wanted, target)
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

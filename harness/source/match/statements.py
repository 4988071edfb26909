"""Statements put in the place of one: in a block, on a line that it shares, or after an `elif`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import libcst as cst

from harness.source.match.nodes import Line, pieces_in
from harness.source.match.places import Place, get

Small = Sequence[cst.BaseSmallStatement]


def change_statement(module: cst.Module, place: Place, lines: list[Line]) -> tuple[Place, cst.CSTNode]:
    """Which node to put where, so that these lines, or none, stand for the statement at `place`."""
    target, parent = get(module, place), get(module, place[:-1])
    index = place[-1][1]
    if index is None:
        return place[:-1], _without_elif(parent, target, lines)
    if isinstance(parent, cst.SimpleStatementSuite):
        return place[:-1], _in_suite(parent, index, lines)
    if not isinstance(parent, cst.SimpleStatementLine):
        return place[:-1], _in_block(parent, index, lines)
    if len(parent.body) == 1:
        return change_statement(module, place[:-1], lines)
    if _are_small(lines):
        return place[:-1], parent.with_changes(body=_spliced(parent.body, index, lines))
    block, at = place[:-2], place[-2][1]
    assert at is not None
    return block, _with_lines(get(module, block), at, _split(parent, index, lines))


def _in_block(block: cst.IndentedBlock, index: int, lines: list[Line]) -> cst.IndentedBlock:
    old: Any = block.body[index]  # every statement has leading lines, but their base class does not say so
    if lines:
        first = lines[0].with_changes(leading_lines=(*old.leading_lines, *lines[0].leading_lines))
        return _with_lines(block, index, _with_comment([first, *lines[1:]], old))
    return _without(block, index, old.leading_lines)


def _without(block: cst.IndentedBlock, index: int, above: Sequence[cst.EmptyLine]) -> cst.IndentedBlock:
    """The block without one statement; what stands `above` it stays, and goes to what follows."""
    rest: list[Any] = [*block.body[:index], *block.body[index + 1 :]]
    if not rest:
        return _with_lines(block, index, [cst.SimpleStatementLine([cst.Pass()], leading_lines=above)])
    if index == len(rest):
        return block.with_changes(body=rest, footer=(*above, *block.footer))
    rest[index] = rest[index].with_changes(leading_lines=(*above, *rest[index].leading_lines))
    return block.with_changes(body=rest)


def _with_lines(block: cst.IndentedBlock, index: int, lines: Sequence[Line]) -> cst.IndentedBlock:
    return block.with_changes(body=[*block.body[:index], *lines, *block.body[index + 1 :]])


def _with_comment(lines: list[Line], old: Any) -> list[Line]:
    """The comment behind the old statement stays behind the last new one, or goes above them."""
    kept = getattr(old, "trailing_whitespace", None)
    if kept is None or kept.comment is None:
        return lines
    if isinstance(lines[-1], cst.SimpleStatementLine):
        return [*lines[:-1], lines[-1].with_changes(trailing_whitespace=kept)]
    above = (*lines[0].leading_lines, cst.EmptyLine(comment=kept.comment))
    return [lines[0].with_changes(leading_lines=above), *lines[1:]]


def _in_suite(suite: cst.SimpleStatementSuite, index: int, lines: list[Line]) -> cst.CSTNode:
    if _are_small(lines):
        return suite.with_changes(body=_spliced(suite.body, index, lines))
    line = cst.SimpleStatementLine(suite.body, trailing_whitespace=suite.trailing_whitespace)
    return cst.IndentedBlock(_split(line, index, lines))


def _are_small(lines: Sequence[Line]) -> bool:
    """Whether statements can share a line."""
    return all(isinstance(line, cst.SimpleStatementLine) for line in lines)


def _spliced(pieces: Small, index: int, lines: list[Line]) -> list[cst.BaseSmallStatement]:
    new = [piece for line in lines for piece in pieces_in(line)]
    return _alone([*pieces[:index], *new, *pieces[index + 1 :]]) or [cst.Pass()]


def _alone(pieces: Small) -> list[cst.BaseSmallStatement]:
    """Small statements without the semicolons they brought along."""
    return [piece.with_changes(semicolon=cst.MaybeSentinel.DEFAULT) for piece in pieces]


def _split(line: cst.SimpleStatementLine, index: int, lines: list[Line]) -> list[Line]:
    """`a; b; c` with compound statements for `b`: they need lines of their own."""
    before, after = _alone(line.body[:index]), _alone(line.body[index + 1 :])
    parts: list[Line] = [*_joined(before), *lines, *_joined(after)]
    parts[0] = parts[0].with_changes(leading_lines=line.leading_lines)
    return _with_comment(parts, line)


def _joined(pieces: Small) -> list[cst.SimpleStatementLine]:
    return [cst.SimpleStatementLine(pieces)] if pieces else []


def _without_elif(parent: cst.If, target: cst.If, lines: list[Line]) -> cst.CSTNode:
    if not lines:
        return parent.with_changes(orelse=None)
    if len(lines) == 1 and isinstance(lines[0], cst.If):
        return parent.with_changes(orelse=lines[0].with_changes(leading_lines=target.leading_lines))
    return parent.with_changes(orelse=cst.Else(cst.IndentedBlock(lines), leading_lines=target.leading_lines))

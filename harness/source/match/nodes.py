"""The nodes of a syntax tree, without those that are mere layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Any

import libcst as cst

Piece = cst.BaseExpression | cst.BaseSmallStatement | cst.BaseCompoundStatement
Line = cst.SimpleStatementLine | cst.BaseCompoundStatement
BLOCK = (cst.IndentedBlock, cst.SimpleStatementSuite)
_LAYOUT = (
    cst.BaseParenthesizableWhitespace, cst.TrailingWhitespace, cst.EmptyLine, cst.Newline, cst.Comment,
    cst.Comma, cst.Semicolon, cst.Colon, cst.AssignEqual, cst.LeftParen, cst.RightParen,
    cst.LeftSquareBracket, cst.RightSquareBracket, cst.LeftCurlyBrace, cst.RightCurlyBrace,
)  # fmt: skip


def is_layout(value: object) -> bool:
    """Whether a field's value says nothing of what the code does."""
    return value is cst.MaybeSentinel.DEFAULT or (isinstance(value, cst.CSTNode) and _lays_out(type(value)))


@cache
def _lays_out(kind: type[cst.CSTNode]) -> bool:
    return issubclass(kind, _LAYOUT)


@cache
def field_names(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    """The fields of a kind of node, in source order."""
    return tuple(field.name for field in fields(kind))


def children(node: cst.CSTNode) -> Iterator[tuple[str, int | None, cst.CSTNode]]:
    """What a node is made of, layout left out: field, index in it, child."""
    for name in field_names(type(node)):
        value = getattr(node, name)
        if isinstance(value, cst.CSTNode):
            if not _lays_out(type(value)):
                yield name, None, value
        elif isinstance(value, list | tuple):
            yield from ((name, index, item) for index, item in enumerate(value) if not is_layout(item))


def parsed(text: str) -> list[Line]:
    """The statements that `text` spells, line by line."""
    return list(cst.parse_module(text.strip("\n")).body)


def pieces_in(line: object) -> list[Any]:
    """The small statements that share a line; a compound statement is one piece."""
    return list(line.body) if isinstance(line, cst.SimpleStatementLine) else [line]


def statements_in(block: Any) -> list[Any]:
    """The statements of a block, whether it is indented or follows its colon on one line."""
    if isinstance(block, cst.SimpleStatementSuite):
        return list(block.body)
    return [piece for line in block.body for piece in pieces_in(line)]

"""The to-do marks that a draft leaves, and where a module still has one."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BadInput

MARK = "TODO:"


@dataclass(frozen=True)
class Mark:
    """One mark: its line, counted from 1, and what is to be done."""

    line: int
    text: str


def refuse(file: Path) -> None:
    """BadInput, naming file and line, if a mark is left in the module."""
    if mark := next(left(file.read_text(encoding="utf-8")), None):
        raise BadInput(f"{file}:{mark.line}: a to-do mark is left ({mark.text}): fill it in, then record")


def left(source: str) -> Iterator[Mark]:
    """The marks in a module's comments and texts; what an edit quotes is upstream's, and is left out."""
    quoted = {place for call in _edits(source) for place in _texts(call)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if MARK in token.string and token.start not in quoted:
            above, _, rest = token.string.partition(MARK)
            text = f"{MARK}{rest}".splitlines()[0].rstrip("\"'")
            yield Mark(token.start[0] + above.count("\n"), text)


def _edits(source: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "edit":
            yield node


def _texts(call: ast.Call) -> Iterator[tuple[int, int]]:
    """Where the texts begin that a call is given."""
    for node in ast.walk(call):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.col_offset

"""A module's text and syntax side by side, and what edits ask of them."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator

from harness.source.symbols import definitions

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module:
    """A module's text, syntax and functions; of several of one name each has a number."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.syntax = ast.parse(text)
        self.functions: dict[tuple[str, int], Function] = {}
        for name, node in definitions(self.syntax):
            if isinstance(node, Function):
                number = sum(known == name for known, _ in self.functions)
                self.functions[name, number] = node

    @property
    def outer(self) -> set[tuple[str, int]]:
        """The functions that lie in no other function: an edit cannot add or remove these."""
        names = {name for name, _ in self.functions}
        return {(name, number) for name, number in self.functions if not names & set(_parents(name))}

    def source(self, *nodes: ast.AST) -> str:
        """Statements or an expression as they are written, from the first column on."""
        return "\n".join(map(self._one, nodes))

    def _one(self, node: ast.AST) -> str:
        written = ast.get_source_segment(self.text, node, padded=isinstance(node, ast.stmt)) or ""
        dedented = textwrap.dedent(written).strip("\n")
        # Text in quotes may begin further left, and an `elif` is no statement of its own.
        return dedented if _spells(dedented, node) else ast.unparse(node)


def _spells(text: str, node: ast.AST) -> bool:
    try:
        found: ast.AST = ast.parse(text).body[0]
    except (SyntaxError, IndexError):
        return False
    if isinstance(found, ast.Expr) and isinstance(node, ast.expr):
        found = found.value
    return ast.dump(found) == ast.dump(node)


def _parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))


def same(one: ast.AST, other: ast.AST) -> bool:
    """Whether two nodes are the same code, however it is written."""
    return ast.dump(one) == ast.dump(other)


def bare(args: ast.arguments) -> str:
    """A signature's syntax without the values of its defaults, but with their number."""
    own = [args.posonlyargs, args.args, args.kwonlyargs, [one for one in (args.vararg, args.kwarg) if one]]
    names = [[ast.dump(one) for one in group] for group in own]
    return f"{names} {len(args.defaults)} {[value is None for value in args.kw_defaults]}"


def short(text: str, limit: int = 60) -> str:
    """Code as one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"

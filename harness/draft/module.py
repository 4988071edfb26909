"""A module's text and syntax side by side, and what edits ask of them."""

from __future__ import annotations

import ast
import copy
import textwrap

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
_HEADED = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith)
_DOTS = "..."


class Module:
    """A module's text and its syntax."""

    def __init__(self, text: str) -> None:
        self.text = text = text.removeprefix("\ufeff")  # a byte order mark is no syntax
        self.syntax = ast.parse(text)
        self._lines = text.split("\n")

    def source(self, *nodes: ast.AST) -> str:
        """Statements or an expression as they are written, from the first column on."""
        return "\n".join(map(self._one, nodes))

    def _one(self, node: ast.AST) -> str:
        written = self._segment(node)
        dedented = textwrap.dedent(written).strip("\n")
        # Text in quotes may begin further left, and an `elif` is no statement of its own.
        return dedented if _spells(dedented, node) else ast.unparse(node)

    def _segment(self, node: ast.AST) -> str:
        """What a node is written as; a definition with its decorators."""
        first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", 1)
        for one in getattr(node, "decorator_list", ()):
            first = min(first, one.lineno)
        lines = [line.encode() for line in self._lines[first - 1 : last]]
        if not lines:
            return ""
        lines[-1] = lines[-1][: getattr(node, "end_col_offset", 0)]
        if isinstance(node, ast.stmt):
            start = getattr(node, "col_offset", 0)
            lines[0] = b" " * start + lines[0][start:] if not lines[0][:start].strip() else lines[0][start:]
        else:
            lines[0] = lines[0][getattr(node, "col_offset", 0) :]
        return b"\n".join(lines).decode()


def _spells(text: str, node: ast.AST) -> bool:
    try:
        found: ast.AST = ast.parse(text).body[0]
    except (SyntaxError, IndexError):
        return False
    if isinstance(found, ast.Expr) and isinstance(node, ast.expr):
        found = found.value
    return same(found, node)


def same(one: ast.AST, other: ast.AST) -> bool:
    """Whether two nodes are the same code, however it is written."""
    return _same(one, other)


def _same(one: object, other: object) -> bool:
    # As `ast.dump` has it, and much faster: most of what is compared differs near its beginning.
    if type(one) is not type(other):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if not isinstance(one, ast.AST):
        return one == other
    return all(_same(getattr(one, name, None), getattr(other, name, None)) for name in one._fields)


def has_head(node: ast.AST) -> bool:
    """Whether a statement has one body behind a head, so that a pattern can leave the body open."""
    return isinstance(node, (*_HEADED, *Definition.__args__))


def head(node: ast.stmt) -> str:
    """The head of a statement over dots: of a definition with its decorators and parameters."""
    bare = copy.copy(node)
    bare.body = [ast.Expr(ast.Constant(...))]  # type: ignore[attr-defined]
    if hasattr(bare, "orelse"):
        bare.orelse = []
    return ast.unparse(bare)


def any_head(node: ast.stmt) -> str:
    """The shortest pattern of a statement: of a definition its name alone, of others their head."""
    if isinstance(node, ast.ClassDef):
        return f"class {node.name}(ANY):\n    {_DOTS}"
    if isinstance(node, Function):
        word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
        return f"{word} {node.name}(ANY):\n    {_DOTS}"
    return head(node)


def signature(args: ast.arguments) -> str:
    """A signature's syntax without the values of its defaults, but with their number."""
    own = [args.posonlyargs, args.args, args.kwonlyargs, [one for one in (args.vararg, args.kwarg) if one]]
    names = [[ast.dump(one) for one in group] for group in own]
    return f"{names} {len(args.defaults)} {[value is None for value in args.kw_defaults]}"


def defaults(args: ast.arguments) -> list[ast.expr]:
    """The values of a signature's defaults, in order."""
    return [*args.defaults, *[value for value in args.kw_defaults if value is not None]]


def short(text: str, limit: int = 60) -> str:
    """Code as one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"

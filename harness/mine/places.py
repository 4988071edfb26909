"""The smallest pieces in which two versions of a function differ."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.mine.changes import Function
from harness.mine.pairing import Pairing
from harness.mine.syntax import same, syntax

Around = tuple[ast.AST, ...]
_UNUSED = frozenset(("annotation", "returns", "type_comment", "ctx"))
"""Parts that no run depends on."""


@dataclass(frozen=True)
class Piece:
    """A node before and after; None where there is none. `around` are the nodes it is in, outermost first."""

    before: ast.AST | None
    after: ast.AST | None
    around: Around = ()

    @property
    def same(self) -> bool:
        """Whether it is what it was, in another place."""
        return self.before is not None and self.after is not None and same(self.before, self.after)

    @property
    def wraps(self) -> bool:
        """Whether the piece as it was is a part of what it has become."""
        if self.before is None or self.after is None:
            return False
        wanted = syntax(self.before)
        return any(
            type(node) is type(self.before) and syntax(node) == wanted for node in ast.walk(self.after)
        )


def pieces(before: Function, after: Function) -> list[Piece]:
    """What was changed, in order: expressions where a statement stayed the same in kind."""
    cut = _Cut()
    found = [
        *cut.children(before.args, after.args, ()),
        *cut.items(before.decorator_list, after.decorator_list, ()),
        *cut.block(_without_docstring(before), _without_docstring(after), ()),
    ]
    return _moved([one for one in found if not _is_text(one)])


def _moved(found: list[Piece]) -> list[Piece]:
    """With a statement that is gone in one place and new in another as one piece."""
    gone = {syntax(one.before): one for one in found if one.before and one.after is None}
    kept: list[Piece] = []
    taken: set[int] = set()
    for one in found:
        was = gone.get(syntax(one.after)) if one.before is None and one.after else None
        if was is not None and isinstance(was.before, ast.stmt) and id(was) not in taken:
            taken.add(id(was))
            one = Piece(was.before, one.after, one.around)
        kept.append(one)
    return [one for one in kept if id(one) not in taken]


def _is_text(piece: Piece) -> bool:
    """Whether nothing but text differs: a message, or the words of an assertion."""
    sides = [one for one in (piece.before, piece.after) if one is not None]
    return all(isinstance(one, ast.JoinedStr | ast.FormattedValue) or _is_string(one) for one in sides)


def _is_string(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return _is_string(node.value)
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _without_docstring(function: Function) -> list[ast.stmt]:
    has_one = ast.get_docstring(function, clean=False) is not None
    return function.body[1:] if has_one else function.body


class _Cut:
    """Walks two versions side by side."""

    def __init__(self) -> None:
        self._pairing = Pairing()

    def block(self, before: Sequence[ast.stmt], after: Sequence[ast.stmt], around: Around) -> Iterator[Piece]:
        for one, other in self._pairing.pairs(before, after):
            if one is None or other is None:
                yield Piece(one, other, around)
            else:
                yield from self._node(one, other, around)

    def _node(self, before: ast.AST, after: ast.AST, around: Around) -> Iterator[Piece]:
        """Pieces of two nodes that differ: of their children, where the nodes are of one kind."""
        if isinstance(before, ast.AnnAssign | ast.Assign) and isinstance(after, ast.AnnAssign | ast.Assign):
            yield from self._assigned(before, after, around)
        elif type(before) is not type(after) or not self._alike(before, after):
            yield Piece(before, after, around)
        else:
            yield from self.children(before, after, (*around, after))

    def _assigned(
        self, before: ast.AnnAssign | ast.Assign, after: ast.AnnAssign | ast.Assign, around: Around
    ) -> Iterator[Piece]:
        """An assignment with and without an annotation is the same."""
        yield from self.items(_targets(before), _targets(after), (*around, after))
        if before.value is None or after.value is None:
            if before.value is not after.value:
                yield Piece(before.value, after.value, around)
        elif not same(before.value, after.value):
            yield from self._node(before.value, after.value, (*around, after))

    def children(self, before: ast.AST, after: ast.AST, around: Around) -> Iterator[Piece]:
        for name, one in ast.iter_fields(before):
            other = getattr(after, name)
            if name in _UNUSED:
                continue
            if isinstance(one, list) and any(isinstance(item, ast.stmt) for item in (*one, *other)):
                yield from self.block(one, other, around)
            elif isinstance(one, list):
                yield from self.items(one, other, around)
            elif isinstance(one, ast.AST) and isinstance(other, ast.AST):
                if not same(one, other):
                    yield from self._node(one, other, around)
            elif one is not other and (isinstance(one, ast.AST) or isinstance(other, ast.AST)):
                yield Piece(_node_or_none(one), _node_or_none(other), around)

    def items(self, before: Sequence[object], after: Sequence[object], around: Around) -> Iterator[Piece]:
        """Items that differ: paired where there are as many, else those that only one side has."""
        ours = [one for one in before if isinstance(one, ast.AST)]
        theirs = [one for one in after if isinstance(one, ast.AST)]
        if len(ours) == len(theirs):
            for one, other in zip(ours, theirs, strict=True):
                if not same(one, other):
                    yield from self._node(one, other, around)
            return
        known, seen = set(map(syntax, ours)), set(map(syntax, theirs))
        yield from (Piece(one, None, around) for one in ours if syntax(one) not in seen)
        yield from (Piece(None, other, around) for other in theirs if syntax(other) not in known)

    def _alike(self, before: ast.AST, after: ast.AST) -> bool:
        """Whether two nodes of one kind are one that was changed inside: a call of the same function, …"""
        match before, after:
            case ast.Call(func=one), ast.Call(func=other):
                return same(one, other)
            case ast.BinOp(), ast.BinOp():
                return type(before.op) is type(after.op) and self._shares(before, after)
            case ast.Compare(), ast.Compare():
                kinds = [list(map(type, side.ops)) for side in (before, after)]
                return kinds[0] == kinds[1] and self._shares(before, after)
            case ast.keyword(), ast.keyword():
                return before.arg == after.arg
            case ast.Subscript(), ast.Subscript():
                return any(
                    syntax(getattr(before, part)) == syntax(getattr(after, part))
                    for part in ("value", "slice")
                )
            case ((ast.BoolOp() | ast.UnaryOp()), (ast.BoolOp() | ast.UnaryOp())):
                return type(before.op) is type(after.op)
            case ((ast.arg() | ast.Attribute() | ast.Name() | ast.Constant()), _):
                return False
        return True

    def _shares(self, before: ast.AST, after: ast.AST) -> bool:
        """Whether the two have an operand in common."""
        ours, theirs = (
            {syntax(one) for one in ast.iter_child_nodes(side) if isinstance(one, ast.expr)}
            for side in (before, after)
        )
        return bool(ours & theirs)


def _targets(node: ast.AnnAssign | ast.Assign) -> list[ast.expr]:
    return [node.target] if isinstance(node, ast.AnnAssign) else node.targets


def _node_or_none(value: object) -> ast.AST | None:
    return value if isinstance(value, ast.AST) else None

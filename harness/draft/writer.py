"""The edits of one function.

Each is as narrow as its statement and as wide as it must be to be found exactly once.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence

from harness.draft.align import aligned
from harness.draft.module import Function, Module, bare, same, short
from harness.draft.outside import Left
from harness.facts import Edit

Unique = Callable[[Edit], bool]
"""Whether what an edit looks for is in the tree exactly once."""


class Writer:
    """Writes the edits of one function."""

    def __init__(self, function: str, old: Module, new: Module, unique: Unique) -> None:
        self._function = function
        self._old, self._new = old, new
        self._unique = unique
        self.left: list[Left] = []

    def edits(self, old: Function, new: Function) -> list[Edit]:
        """All edits of the function; what cannot be said as one goes to `left`."""
        found = self._defaults(old.args, new.args)
        for statement, instead in aligned(old.body, new.body):
            written = self._statement(statement, instead)
            if written is None:
                self._leave(f"`{short(self._old.source(statement))}` is there several times")
            found += written or []
        return found

    def _defaults(self, old: ast.arguments, new: ast.arguments) -> list[Edit]:
        """Edits of default values; any other difference of a signature is told by `outside`."""
        if bare(old) != bare(new):
            return []
        pairs = zip(_default_values(old), _default_values(new), strict=True)
        edits = [self._edit([a], [b]) for a, b in pairs if not same(a, b)]
        for edit in (edit for edit in edits if not self._unique(edit)):
            self._leave(f"the default {edit.replace} is there several times")
        return [edit for edit in edits if self._unique(edit)]

    def _leave(self, what: str) -> None:
        self.left.append(Left(f"{self._function}: {what}: edit it by hand", self._function))

    def _statement(self, old: ast.stmt, instead: Sequence[ast.stmt]) -> list[Edit] | None:
        """Edits that put these statements in the place of one; None if there is no way."""
        if len(instead) == 1 and (same(old, instead[0]) or _same_name(old, instead[0])):
            return []
        inner = self._inside(old, instead[0]) if len(instead) == 1 else None
        if inner is not None:
            return inner
        edit = self._edit([old], instead)
        return [edit] if self._unique(edit) else None

    def _inside(self, old: ast.stmt, new: ast.stmt) -> list[Edit] | None:
        """Edits of the parts of a compound statement; None if its parts do not answer each other."""
        if type(old) is not type(new) or not hasattr(old, "body") or isinstance(old, Function):
            return None
        return self._parts(old, new)

    def _parts(self, old: ast.AST, new: ast.AST) -> list[Edit] | None:
        return _together(self._part(one, getattr(new, name)) for name, one in ast.iter_fields(old))

    def _part(self, old: object, new: object) -> list[Edit] | None:
        if isinstance(old, list) and isinstance(new, list):
            return self._list(old, new)
        if not isinstance(old, ast.AST) or not isinstance(new, ast.AST):
            return [] if old == new else None
        if same(old, new):
            return []
        if isinstance(old, ast.expr) and isinstance(new, ast.expr):
            edit = self._edit([old], [new])
            return [edit] if self._unique(edit) else None
        return None

    def _list(self, old: list[ast.AST], new: list[ast.AST]) -> list[Edit] | None:
        if _all_statements(old) and _all_statements(new):
            return self._block(old, new)
        if len(old) != len(new):
            return None
        return _together(self._item(one, other) for one, other in zip(old, new, strict=True))

    def _item(self, old: ast.AST, new: ast.AST) -> list[Edit] | None:
        """One handler of a `try`, one case of a `match`, one item of a `with`."""
        if isinstance(old, ast.ExceptHandler | ast.match_case | ast.withitem) and type(old) is type(new):
            return self._parts(old, new)
        return self._part(old, new)

    def _block(self, old: list[ast.AST], new: list[ast.AST]) -> list[Edit] | None:
        if not old or not new:
            return [] if not old and not new else None
        pairs = aligned(old, new)  # type: ignore[arg-type]
        return _together(self._statement(statement, instead) for statement, instead in pairs)

    def _edit(self, old: Sequence[ast.AST], new: Sequence[ast.AST]) -> Edit:
        return Edit(self._function, self._old.source(*old), self._new.source(*new))


def _together(found: Iterable[list[Edit] | None]) -> list[Edit] | None:
    """The edits of all parts; None if there is no way for one of them."""
    edits: list[Edit] = []
    for one in found:
        if one is None:
            return None
        edits += one
    return edits


def _default_values(args: ast.arguments) -> list[ast.expr]:
    return [*args.defaults, *[value for value in args.kw_defaults if value is not None]]


def _same_name(one: ast.stmt, other: ast.stmt) -> bool:
    """Whether both are nested functions of one name: these have edits of their own."""
    return isinstance(one, Function) and isinstance(other, Function) and one.name == other.name


def _all_statements(nodes: Sequence[object]) -> bool:
    return all(isinstance(node, ast.stmt) for node in nodes)

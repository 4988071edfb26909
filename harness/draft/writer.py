"""The edits that take one version of a module to another.

Each is as narrow as its statement and as wide as it must be to be found exactly once.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.draft.align import Place, aligned
from harness.draft.module import (
    Definition,
    Function,
    Module,
    any_head,
    defaults,
    has_head,
    head,
    same,
    signature,
)
from harness.draft.narrow import Narrower
from harness.facts import Edit

Unique = Callable[[Edit], Edit | None]
"""The edit as it is found exactly once in the tree, with its module where it needs one; None if it is not."""
Found = list[Edit] | None
"""Edits; None where there is no way to say the difference."""


@dataclass(frozen=True)
class Where:
    """The function, class or module that a statement is in; `path` has the names down to it."""

    module: str
    kind: str = "module"
    path: tuple[str, ...] = ()

    def within(self, node: Definition) -> Where:
        kind = "function" if isinstance(node, Function) or self.kind == "function" else "class"
        # To a function belongs whatever is defined in it.
        if self.kind == "function" and isinstance(node, ast.ClassDef):
            return Where(self.module, "class", (*self.path, node.name))
        return Where(self.module, kind, (*self.path, node.name))

    def edit(self, old: str, new: str) -> Edit:
        name = ".".join(self.path)
        if self.kind == "module":
            return Edit(replace=old, by=new, in_module=self.module)
        return Edit(**{f"in_{self.kind}": name}, replace=old, by=new)


class Writer:
    """Writes the edits of one module, named `name`: from `old`, which the tree has, to `new`."""

    def __init__(self, name: str, old: Module, new: Module, unique: Unique) -> None:
        self._old, self._new = old, new
        self._unique = unique
        self._root = Where(name)

    def edits(self) -> list[Edit]:
        """All edits that there is a way to write."""
        return self._each(self._root, self._old.syntax.body, self._new.syntax.body)

    # --- definitions -----------------------------------------------------------------------

    def _each(self, where: Where, old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> list[Edit]:
        """The edits of a class's or a module's statements; one that cannot be said is passed over."""
        if not old or not new:
            return []
        return [edit for place in aligned(old, new) for edit in self._place(where, place) or ()]

    def _definition(self, where: Where, old: Definition, new: Definition) -> Found:
        """Edits of what is in a definition, or, where some cannot be found, of the whole of it."""
        if type(old) is not type(new):
            return self._whole(where, old, [new])
        inner = where.within(old)
        top = self._head(inner, old, new)
        if isinstance(old, ast.ClassDef):
            return [*(top or ()), *self._each(inner, old.body, new.body)]
        body = self._block(inner, old.body, new.body)
        if top is not None and body is not None:
            return [*top, *body]
        return self._one(inner, any_head(old), self._new.source(new)) or self._whole(where, old, [new])

    def _head(self, inner: Where, old: Definition, new: Definition) -> Found:
        """Edits of a signature, bases or decorators: of defaults one by one, if nothing else is changed."""
        if isinstance(old, Function) and isinstance(new, Function) and _outside(old) == _outside(new):
            pairs = zip(defaults(old.args), defaults(new.args), strict=True)
            found = together(self._expression(inner, a, b) for a, b in pairs)
            if found is not None:
                return found
        if head(old) == head(new):
            return []
        return self._one(inner, head(old), head(new))

    # --- statements ------------------------------------------------------------------------

    def _block(self, where: Where, old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> Found:
        if not old or not new:
            return [] if not old and not new else None
        return together(self._place(where, place) for place in aligned(old, new))

    def _place(self, where: Where, place: Place) -> Found:
        """Edits that make of an old statement what stands in its place."""
        old, now = place.old, place.now
        if place.before or place.after:
            return self._with_neighbours(where, place)
        if now is None:
            return self._one(where, any_head(old) if has_head(old) else self._old.source(old), "") or (
                self._whole(where, old, [])
            )
        if same(old, now):
            return []
        if isinstance(old, Definition) and isinstance(now, Definition):
            return self._definition(where, old, now)
        return self._inside(where, old, now) or self._whole(where, old, [now])

    def _with_neighbours(self, where: Where, place: Place) -> Found:
        """New statements go beside an old one, of which the body is left open where it has one."""
        old, now = place.old, place.now
        before, after = (self._new.source(*side) if side else "" for side in (place.before, place.after))
        if now is None:
            return self._unwrapped(where, old, place.before) or self._whole(where, old, place.before)
        if has_head(old) and type(old) is type(now):
            anchor = any_head(old)
            kept = anchor if isinstance(old, Definition) else head(now)
            inner = self._kept(where, old, now)
            text = "\n".join(part for part in (before, kept, after) if part)
            beside = self._one(where, anchor, text)
            if beside is not None and inner is not None:
                return [*beside, *inner]
        return self._whole(where, old, [*place.before, now, *place.after])

    def _kept(self, where: Where, old: ast.stmt, now: ast.stmt) -> Found:
        """Edits of what a head leaves open."""
        if same(old, now):
            return []
        if isinstance(old, Definition) and isinstance(now, Definition):
            return self._definition(where, old, now)
        parts = (self._block(where, getattr(old, name, []), getattr(now, name, [])) for name in _BLOCKS)
        return together(parts)

    def _unwrapped(self, where: Where, old: ast.stmt, new: Sequence[ast.stmt]) -> Found:
        """A statement of which nothing but the body stays, such as an `if` that the fix put around it."""
        if not has_head(old) or isinstance(old, Definition) or getattr(old, "orelse", None):
            return None
        body: list[ast.stmt] = old.body  # type: ignore[attr-defined]
        for at in range(len(new) - len(body) + 1):
            if all(map(same, body, new[at : at + len(body)])):
                above, below = new[:at], new[at + len(body) :]
                parts = [self._new.source(*above), "...", self._new.source(*below)]
                return self._one(where, head(old), "\n".join(part for part in parts if part))
        return None

    def _inside(self, where: Where, old: ast.stmt, new: ast.stmt) -> Found:
        """Edits of the parts of a statement; None if its parts do not answer each other."""
        if type(old) is not type(new):
            return None
        if not hasattr(old, "body"):
            return self._narrower(where).statement(old, new)
        found = self._parts(where, old, new)
        if found is None and has_head(old):
            inner = self._kept(where, old, new)
            top = self._one(where, head(old), head(new)) if head(old) != head(new) else []
            return None if inner is None or top is None else [*top, *inner]
        return found

    def _parts(self, where: Where, old: ast.AST, new: ast.AST) -> Found:
        fields = ast.iter_fields(old)
        return together(self._part(where, one, getattr(new, name)) for name, one in fields)

    def _part(self, where: Where, old: object, new: object) -> Found:
        if isinstance(old, list) and isinstance(new, list):
            return self._list(where, old, new)
        if not isinstance(old, ast.AST) or not isinstance(new, ast.AST):
            return [] if old == new else None
        if same(old, new):
            return []
        if isinstance(old, _PARTS) and type(old) is type(new):
            return self._parts(where, old, new)
        if isinstance(old, ast.expr) and isinstance(new, ast.expr):
            return self._expression(where, old, new)
        return None

    def _list(self, where: Where, old: list[ast.AST], new: list[ast.AST]) -> Found:
        statements = [one for one in (*old, *new) if isinstance(one, ast.stmt)]
        if statements and len(statements) == len(old) + len(new):
            return self._block(where, old, new)  # type: ignore[arg-type]
        if len(old) != len(new):
            return None
        return together(self._part(where, one, other) for one, other in zip(old, new, strict=True))

    # --- edits -----------------------------------------------------------------------------

    def _expression(self, where: Where, old: ast.expr, new: ast.expr) -> Found:
        return [] if same(old, new) else self._narrower(where).expression(old, new)

    def _narrower(self, where: Where) -> Narrower:
        return Narrower(self._old, self._new, lambda a, b: self._one(where, a, b))

    def _whole(self, where: Where, old: ast.stmt, new: Sequence[ast.stmt]) -> Found:
        return self._one(where, self._old.source(old), self._new.source(*new))

    def _one(self, where: Where, old: str, new: str) -> Found:
        found = self._unique(where.edit(old, new))
        return [found] if found else None


_BLOCKS = ("body", "orelse")
_PARTS = (ast.ExceptHandler, ast.match_case, ast.withitem)


def together(found: Iterable[Found]) -> Found:
    """The edits of all parts; None if there is no way for one of them."""
    edits: list[Edit] = []
    for one in found:
        if one is None:
            return None
        edits += one
    return edits


def _outside(function: Function) -> str:
    """What of a function is neither its body nor the value of a default."""
    returns = ast.dump(function.returns) if function.returns else ""
    return f"{signature(function.args)} {returns} {[ast.dump(one) for one in function.decorator_list]}"

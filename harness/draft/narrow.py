"""The smallest piece of a statement that holds a change and is found once."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator, Sequence

from harness.draft.module import Module, same
from harness.facts import Edit

LINE = 72
"""Characters of code that are best read, and replaced, as one piece."""
One = Callable[[str, str], list[Edit] | None]
"""An edit of these two texts, if its pattern is found once."""

_NO_PIECES = (ast.Slice, ast.Starred)
"""What stands in an expression and is none by itself."""


class Narrower:
    """Writes edits of the parts of a statement."""

    def __init__(self, old: Module, new: Module, one: One) -> None:
        self._old, self._new, self._one = old, new, one

    def statement(self, old: ast.stmt, new: ast.stmt) -> list[Edit] | None:
        """Edits of parts of a simple statement; None if it is better taken whole."""
        return self._children(old, new) if self._is_long(old) or self._is_long(new) else None

    def expression(self, old: ast.expr, new: ast.expr) -> list[Edit] | None:
        """Edits that make one expression of another; None if it is not found once."""
        if isinstance(old, ast.Slice) and isinstance(new, ast.Slice):
            return self._children(old, new)
        if (self._is_long(old) or self._is_long(new)) and type(old) is type(new):
            if isinstance(old, ast.Call) and isinstance(new, ast.Call):
                found = self._call(old, new)
            else:
                found = self._children(old, new)
            if found is not None:
                return found
        if not _is_piece(old) or not _is_piece(new):
            return None
        return self._one(self._old.source(old), self._new.source(new))

    def _is_long(self, node: ast.AST) -> bool:
        return len(ast.unparse(node)) > LINE

    def _children(self, old: ast.AST, new: ast.AST) -> list[Edit] | None:
        """Edits of the children that differ; None if they do not answer each other."""
        edits: list[Edit] = []
        for name, one in ast.iter_fields(old):
            found = self._field(one, getattr(new, name))
            if found is None:
                return None
            edits += found
        return edits or None

    def _field(self, old: object, new: object) -> list[Edit] | None:
        if isinstance(old, list) and isinstance(new, list):
            return self._items(old, new)
        if isinstance(old, ast.expr) and isinstance(new, ast.expr):
            return [] if same(old, new) else self.expression(old, new)
        if isinstance(old, ast.AST) and isinstance(new, ast.AST):
            return [] if same(old, new) else None
        return [] if old == new else None

    def _items(self, old: Sequence[object], new: Sequence[object]) -> list[Edit] | None:
        if len(old) != len(new):
            return None
        found = [self._field(one, other) for one, other in zip(old, new, strict=True)]
        return None if None in found else [edit for one in found for edit in one or ()]

    # --- calls -----------------------------------------------------------------------------

    def _call(self, old: ast.Call, new: ast.Call) -> list[Edit] | None:
        """Edits of a call: of its positional arguments one by one, or of its keywords."""
        if not same(old.func, new.func):
            return self._children(old, new)
        if list(map(ast.dump, old.keywords)) == list(map(ast.dump, new.keywords)):
            return self._items(old.args, new.args) or self._run(old, new)
        if list(map(ast.dump, old.args)) != list(map(ast.dump, new.args)):
            return None
        return self._values(old, new) or self._keywords(old, new)

    def _run(self, old: ast.Call, new: ast.Call) -> list[Edit] | None:
        """One edit of a run of positional arguments, with one beside it where it has to be found by that."""
        ours, theirs = list(map(ast.unparse, old.args)), list(map(ast.unparse, new.args))
        start = _common(ours, theirs)
        tail = min(_common(ours[::-1], theirs[::-1]), min(len(ours), len(theirs)) - start)
        for left, right in ((0, 0), (1, 0), (0, 1), (1, 1)):
            first, last = max(start - left, 0), max(tail - right, 0)
            runs = (args[first : len(args) - last] for args in (ours, theirs))
            before, after = (f"{ast.unparse(old.func)}({', '.join(['...', *run, '...'])})" for run in runs)
            if len(ours) - last > first and (found := self._one(before, after)):
                return found
        return None

    def _values(self, old: ast.Call, new: ast.Call) -> list[Edit] | None:
        """Edits within long values of keywords, where the keywords are the same."""
        if [one.arg for one in old.keywords] != [one.arg for one in new.keywords]:
            return None
        pairs = zip(old.keywords, new.keywords, strict=True)
        changed = [(a.value, b.value) for a, b in pairs if not same(a, b)]
        if not all(self._is_long(a) for a, _ in changed):
            return None
        return self._items(*map(list, zip(*changed, strict=True)))

    def _keywords(self, old: ast.Call, new: ast.Call) -> list[Edit] | None:
        """One edit of a call that names the changed keywords alone, and leaves the others open."""
        ours, theirs = _named(new), _named(old)
        if ours is None or theirs is None:
            return None
        gone = [name for name in theirs if name not in ours or not same(theirs[name], ours[name])]
        come = [name for name in ours if name not in theirs or name in gone]
        for anchor in ([], *([name] for name in theirs if name in ours and name not in gone)):
            before = [name for name in theirs if name in (*gone, *anchor)]
            after = [name for name in ours if name in (*come, *anchor)]
            if _result(list(theirs), before, after) == list(ours):
                found = self._open(old, [(n, theirs[n]) for n in before], [(n, ours[n]) for n in after])
                if found is not None:
                    return found
        return None

    def _open(
        self, call: ast.Call, before: list[tuple[str, ast.expr]], after: list[tuple[str, ast.expr]]
    ) -> list[Edit] | None:
        function = ast.unparse(call.func)
        texts = (f"{function}({', '.join(['...', *_spelt(named)])})" for named in (before, after))
        old, new = texts
        return self._one(old, new)


def _is_piece(node: ast.expr) -> bool:
    """Whether an expression is one by itself; the indices of `a[i, :n]` are not."""
    items = node.elts if isinstance(node, ast.Tuple) else [node]
    return not isinstance(node, _NO_PIECES) and not any(isinstance(one, ast.Slice) for one in items)


def _named(call: ast.Call) -> dict[str, ast.expr] | None:
    """The keywords of a call by name; None if some are spread."""
    found = {one.arg: one.value for one in call.keywords if one.arg}
    return found if len(found) == len(call.keywords) else None


def _spelt(named: list[tuple[str, ast.expr]]) -> Iterator[str]:
    return (f"{name}={ast.unparse(value)}" for name, value in named)


def _result(found: list[str], gone: list[str], come: list[str]) -> list[str]:
    """The order of keywords that an edit of an open call leaves."""
    if set(gone) == set(come):
        return found
    places = [[*come] if name == next(iter(gone), None) else [] if name in gone else [name] for name in found]
    return [*itertools.chain.from_iterable(places), *(() if gone else come)]


def _common(one: list[str], other: list[str]) -> int:
    """How many items are the same at the beginning of both."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))

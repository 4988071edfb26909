"""The part of a patch that changes some functions, where the patch holds more than one fix."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from harness.draft.left import Left
from harness.draft.undo import Undone
from harness.errors import BadInput
from harness.facts.revert import MODULE
from harness.foreign import shown
from harness.source.symbols import definitions

_Lines = tuple[int, int]
"""Lines from the first to the one after the last, counted from 0."""


def chosen(undone: Undone, names: Sequence[str]) -> Undone:
    """What is undone if the changes in functions or classes of these names alone are; all of it for no names.

    A name is qualified, or the last part of one; `<module>` is what is in no function or class. What is left
    out is told. BadInput if the patch changes nothing of a name, or if its change does not stand alone.
    """
    if not names:
        return undone
    parts = {
        path: _Parts(undone.after[path], text) for path, text in undone.before.items() if text is not None
    }
    changed = list(dict.fromkeys(scope for part in parts.values() for scope in part.scopes))
    for name in names:
        if not any(_is(scope, name) for scope in changed):
            raise BadInput(f"--only {shown(name)}: the patch changes {', '.join(changed)}: name one of these")
    before = {path: part.text(names) for path, part in parts.items() if part.has(names)}
    _check(before)
    rest = [scope for scope in changed if not any(_is(scope, name) for name in names)]
    left = Left(f"the patch changes {', '.join(rest)} too: that stays (--only)", todo=False)
    after = {path: undone.after[path] for path in before}
    return replace(undone, after=after, before=dict(before), left=(*undone.left, *([left] if rest else [])))


def _is(scope: str, name: str) -> bool:
    return scope == name or scope.endswith(f".{name}") or scope.startswith(f"{name}.")


def _check(before: dict[str, str]) -> None:
    for path, text in before.items():
        try:
            ast.parse(text)
        except SyntaxError as error:
            remedy = "name the functions that belong to it, too"
            raise BadInput(f"--only: {path} is no Python with this change alone undone: {remedy}") from error


class _Parts:
    """The differences of one file, line by line, each with the functions or classes that it is in."""

    def __init__(self, after: str, before: str) -> None:
        self._after, self._before = (
            list(io.StringIO(text)) for text in (after.replace("\r\n", "\n"), before)
        )
        matcher = SequenceMatcher(None, self._after, self._before, autojunk=False)
        self._codes = matcher.get_opcodes()
        places = _scopes(after), _scopes(before)
        self._of = [self._named(code, *places) for code in self._codes]

    @property
    def scopes(self) -> list[str]:
        """The names of all that differs, each once."""
        return list(dict.fromkeys(name for names in self._of for name in names))

    def has(self, names: Sequence[str]) -> bool:
        """Whether something of these names differs."""
        return any(_is(scope, name) for scope in self.scopes for name in names)

    def text(self, names: Sequence[str]) -> str:
        """The file with that alone as it was before."""
        return "".join(
            line
            for code, of in zip(self._codes, self._of, strict=True)
            for line in self._side(code, of, names)
        )

    def _side(
        self, code: tuple[str, int, int, int, int], of: Sequence[str], names: Sequence[str]
    ) -> list[str]:
        _, i1, i2, j1, j2 = code
        mine = any(_is(scope, name) for scope in of for name in names)
        return self._before[j1:j2] if mine else self._after[i1:i2]

    def _named(
        self, code: tuple[str, int, int, int, int], after: dict[str, _Lines], before: dict[str, _Lines]
    ) -> tuple[str, ...]:
        tag, i1, i2, j1, j2 = code
        if tag == "equal":
            return ()
        ours = {_innermost(after, line) for line in range(i1, i2) if self._after[line].strip()}
        theirs = {_innermost(before, line) for line in range(j1, j2) if self._before[line].strip()}
        return tuple(sorted(ours | theirs))


def _scopes(text: str) -> dict[str, _Lines]:
    """The lines of each function and class, decorators included, the outer ones first."""
    return dict(_each(ast.parse(text)))


def _each(module: ast.Module) -> Iterator[tuple[str, _Lines]]:
    for name, node in definitions(module):
        first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        yield name, (first - 1, node.end_lineno or node.lineno)


def _innermost(scopes: dict[str, _Lines], line: int) -> str:
    found = [name for name, (first, end) in scopes.items() if first <= line < end]
    return found[-1] if found else MODULE

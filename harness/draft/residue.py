"""In what one version of a module still differs from another, told statement by statement.

It knows nothing of how the one was made, so that nothing can be left and not be told.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence, Set
from difflib import SequenceMatcher

from harness.draft.left import Left
from harness.draft.module import Definition, Function, Module, head, same, short
from harness.source.symbols import definitions

_LONGEST = 24
"""Differences of one module that are told one by one."""


_NOTHING: frozenset[str] = frozenset()


def residue(name: str, now: str, before: str, harmless: Set[str] = _NOTHING) -> tuple[Left, ...]:
    """What of the text `now` of a file is not as it was `before`; nothing if their syntax is the same.

    Statements of either text that are known to do no harm are told, and are nothing to do.
    """
    one, other = Module(now), Module(before)
    if same(one.syntax, other.syntax):
        return ()
    told = {
        f"{name}: {text}": statement not in harmless
        for text, statement in _differences(one.syntax, other.syntax)
    }
    if not told:
        told = {f"{name}: its statements or definitions are in another order than before the fix": True}
    # What there is to do comes first, so that it is not what is cut off.
    found = sorted((Left(*one) for one in told.items()), key=lambda one: not one.todo)
    rest = found[_LONGEST:]
    more = [Left(f"{name}: … and {len(rest)} more differences", rest[0].todo)] if rest else []
    return (*found[:_LONGEST], *more)


def _differences(now: ast.Module, before: ast.Module) -> Iterator[tuple[str, str]]:
    """What differs, in words, and the statement that it is about; of definitions none."""
    ours, theirs = _scopes(now), _scopes(before)
    for key in [key for key in ours if key not in theirs]:
        yield f"{key[0]} came with the fix: it stays", ""
    for key in [key for key in theirs if key not in ours]:
        yield f"the fix removed {key[0]}: it does not come back", ""
    for key in [key for key in ours if key in theirs]:
        yield from _own(key[0], ours[key], theirs[key])


def _scopes(module: ast.Module) -> dict[tuple[str, int], ast.Module | Definition]:
    """A module and its definitions by name; of several of one name each has a number."""
    found: dict[tuple[str, int], ast.Module | Definition] = {("the module", 0): module}
    for name, node in definitions(module):
        found[name, sum(known == name for known, _ in found)] = node
    return found


def _own(
    name: str, now: ast.Module | Definition, before: ast.Module | Definition
) -> Iterator[tuple[str, str]]:
    """Differences of the statements of one scope, without the definitions in it."""
    if isinstance(now, Definition) and isinstance(before, Definition) and head(now) != head(before):
        kind = "parameters" if isinstance(now, Function) else "bases"
        yield f"the {kind} or the decorators of {name} are not what they were before the fix", ""
    ours, theirs = list(_statements(now.body)), list(_statements(before.body))
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag != "equal":
            for text in ours[i1:i2]:
                yield f"`{short(text)}` in {name} was not there before the fix", text
            for text in theirs[j1:j2]:
                yield f"`{short(text)}` in {name} does not come back", text


def _statements(body: Sequence[ast.stmt]) -> Iterator[str]:
    """The statements of a block in order: simple ones whole, of compound ones the head, then the inside."""
    for one in body:
        if isinstance(one, Definition):
            continue
        if not hasattr(one, "body"):
            yield ast.unparse(one)
            continue
        yield ast.unparse(one).partition("\n")[0]
        for part in ("body", "handlers", "cases", "orelse", "finalbody"):
            for inner in getattr(one, part, ()):
                if isinstance(inner, ast.stmt):
                    yield from _statements([inner])
                else:
                    yield f"{type(inner).__name__} {ast.unparse(inner).strip().partition(chr(10))[0]}"
                    yield from _statements(inner.body)

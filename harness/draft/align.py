"""Which statements of the new code take the place of which old ones."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import lru_cache

ALIKE = 0.5
"""How like two statements of one kind must be, from 0 to 1, to be one that was changed."""
_LARGEST = 40
"""Statements of a run that are held against each other one by one."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass
class Place:
    """An old statement, the new one that it became, and new ones that stand in front of it or behind.

    `now` is None for one that is gone: then `before` takes its place.
    """

    old: ast.stmt
    now: ast.stmt | None
    before: list[ast.stmt] = field(default_factory=list)
    after: list[ast.stmt] = field(default_factory=list)


def aligned(old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> list[Place]:
    """Each old statement with what became of it. There is at least one old statement.

    Definitions are paired by name, others by likeness; the order is never changed.
    """
    pairs = _pairs(old, new)
    places = [Place(one, new[pairs[at]] if at in pairs else None) for at, one in enumerate(old)]
    start = 0
    for at in sorted(pairs):
        _insert(places, at, new[start : pairs[at]])
        start = pairs[at] + 1
    _insert(places, len(old), new[start:])
    return places


def _insert(places: list[Place], at: int, new: Sequence[ast.stmt]) -> None:
    """Put a run of new statements in front of the old one at `at`: where one is gone in its place."""
    if not new:
        return
    gone = at - 1
    while gone >= 0 and places[gone].now is None and not places[gone].before:
        gone -= 1
    if gone + 1 < at:
        places[gone + 1].before += new
    elif at > 0 and (at == len(places) or not _is_large(places[at - 1].old) or _is_large(places[at].old)):
        places[at - 1].after += new
    else:
        places[at].before += new


def _is_large(statement: ast.stmt) -> bool:
    return hasattr(statement, "body")


def _pairs(old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> dict[int, int]:
    """Old statements with the new ones that they became, by number; both in order."""
    ours, theirs = list(map(_key, old)), list(map(_key, new))
    found: dict[int, int] = {}
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag == "equal":
            found |= zip(range(i1, i2), range(j1, j2), strict=True)
        elif tag == "replace":
            found |= _alike(old[i1:i2], new[j1:j2], i1, j1)
    return found


def _key(statement: ast.stmt) -> str:
    """What is the same in both where the statement is: of a definition its name, of others all."""
    if isinstance(statement, Definition):
        kind = "class" if isinstance(statement, ast.ClassDef) else "def"
        # Getter and setter have one name, and so have overloads.
        marks = [ast.dump(one) for one in statement.decorator_list if statement.name in ast.unparse(one)]
        return f"{kind} {statement.name} {marks}"
    return ast.dump(statement)


def _alike(old: Sequence[ast.stmt], new: Sequence[ast.stmt], i: int, j: int) -> dict[int, int]:
    """The pairing, in order, of the greatest likeness in all."""
    if max(len(old), len(new)) > _LARGEST:
        return {}
    score = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    like = [[likeness(one, other) for other in new] for one in old]
    for a in range(len(old)):
        for b in range(len(new)):
            best = max(score[a][b + 1], score[a + 1][b])
            score[a + 1][b + 1] = max(best, score[a][b] + like[a][b])
    return _traced(score, like, i, j)


def _traced(score: list[list[float]], like: list[list[float]], i: int, j: int) -> dict[int, int]:
    found, a, b = {}, len(score) - 1, len(score[0]) - 1
    while a and b:
        if score[a][b] == score[a - 1][b]:
            a -= 1
        elif score[a][b] == score[a][b - 1]:
            b -= 1
        else:
            a, b = a - 1, b - 1
            found[i + a] = j + b
    return found


def likeness(one: ast.stmt, other: ast.stmt) -> float:
    """How like two statements are; 0 if they are not one that was changed."""
    if type(one) is not type(other):
        return 0.0
    if isinstance(one, Definition):
        return 1.0 if _key(one) == _key(other) else 0.0
    if _is_large(one):
        inside = _ratio(_inner(one), _inner(other))
        return max(inside, 0.9 * _ratio(_head(one), _head(other))) if inside >= 0.3 else 0.0
    same_target = isinstance(one, ast.Assign) and _targets(one) == _targets(other)
    found = max(_ratio(ast.unparse(one), ast.unparse(other)), 0.6 * same_target)
    return found if found >= ALIKE else 0.0


def _targets(statement: ast.stmt) -> list[str]:
    return [ast.dump(one) for one in getattr(statement, "targets", [])]


def _head(statement: ast.stmt) -> str:
    return ast.unparse(statement).partition("\n")[0]


def _inner(statement: ast.stmt) -> str:
    return ast.unparse(statement).partition("\n")[2][:2000]


@lru_cache(maxsize=4096)
def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() if one != other else 1.0

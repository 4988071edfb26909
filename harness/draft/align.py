"""Which statements of the new code take the place of which old ones."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher


def aligned(
    old: Sequence[ast.stmt], new: Sequence[ast.stmt]
) -> Iterator[tuple[ast.stmt, Sequence[ast.stmt]]]:
    """Each old statement with the new ones that take its place: itself, others, or none."""
    instead: list[list[ast.stmt]] = [[] for _ in old]
    matcher = SequenceMatcher(None, list(map(ast.dump, old)), list(map(ast.dump, new)), autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "insert":
            continue
        for index in range(i1, i2):
            last = j2 if index == i2 - 1 else min(j1 + index - i1 + 1, j2)
            instead[index] = list(new[min(j1 + index - i1, j2) : last])
    for tag, i1, _, j1, j2 in matcher.get_opcodes():
        if tag == "insert":
            _attach(instead, old, i1, new[j1:j2])
    return zip(old, instead, strict=True)


def _attach(instead: list[list[ast.stmt]], old: Sequence[ast.stmt], at: int, new: Sequence[ast.stmt]) -> None:
    """Put new statements behind the one before them, or, if that is a large one, in front of the next."""
    behind = at > 0 and (at == len(old) or not hasattr(old[at - 1], "body") or hasattr(old[at], "body"))
    if behind:
        instead[at - 1] = [*instead[at - 1], *new]
    else:
        instead[at] = [*new, *instead[at]]

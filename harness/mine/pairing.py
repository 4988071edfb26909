"""Which statements of two versions answer each other: as `harness.draft.align`, of less care and more speed.

There every pair of texts is compared, since edits depend on it; here thousands of functions are looked at.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from harness.mine.syntax import syntax
from harness.mine.words import bag, likeness

Pair = tuple[ast.stmt | None, ast.stmt | None]
_ALIKE = 0.4
"""The share of words that two statements have in common if one became the other, from 0 to 1."""
_LARGEST = 60
"""Statements of a run that are held against each other one by one."""


class Pairing:
    """Pairs statements; what was made of a node is kept, for the time that the nodes live."""

    def __init__(self) -> None:
        self._words: dict[int, Counter[str]] = {}

    def pairs(self, before: Sequence[ast.stmt], after: Sequence[ast.stmt]) -> Iterator[Pair]:
        """Statements that differ: with what each became, or None on the side where it is not."""
        ours, theirs = list(map(syntax, before)), list(map(syntax, after))
        for tag, i1, i2, j1, j2 in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
            if tag != "equal":
                yield from self._run(before[i1:i2], after[j1:j2])

    def _run(self, before: Sequence[ast.stmt], after: Sequence[ast.stmt]) -> Iterator[Pair]:
        found = self._alike(before, after)
        yield from ((one, after[found[at]] if at in found else None) for at, one in enumerate(before))
        kept = set(found.values())
        yield from ((None, one) for at, one in enumerate(after) if at not in kept)

    def _alike(self, before: Sequence[ast.stmt], after: Sequence[ast.stmt]) -> dict[int, int]:
        """The likest pairs first, each statement once; their order may change."""
        if max(len(before), len(after)) > _LARGEST:
            return {}
        scores = [
            (self._likeness(one, other), -a, -b)
            for a, one in enumerate(before)
            for b, other in enumerate(after)
        ]
        found: dict[int, int] = {}
        for score, a, b in sorted(scores, reverse=True):
            if score >= _ALIKE and -a not in found and -b not in found.values():
                found[-a] = -b
        return found

    def _likeness(self, one: ast.stmt, other: ast.stmt) -> float:
        if _kind(one) is not _kind(other):
            return 0.0
        return likeness(self._bag(one), self._bag(other))

    def _bag(self, node: ast.stmt) -> Counter[str]:
        if id(node) not in self._words:
            self._words[id(node)] = bag(node)
        return self._words[id(node)]


def _kind(node: ast.stmt) -> type[ast.AST]:
    """An assignment stays one when it gets an annotation, or adds to what was there."""
    return ast.Assign if isinstance(node, ast.AnnAssign | ast.AugAssign) else type(node)

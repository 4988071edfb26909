"""The tokens of both arms laid under each other, request by request, where they differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from harness.observation import Point
from harness.observation.compare import one_line, plain

BEFORE = 4
"""How many equal tokens are shown before the first difference."""
NEAR = 1e-3
"""Log-probabilities nearer than this are taken for alike: batches of other sizes sum in other orders."""
COLUMNS = 48
"""How many columns of tokens are shown of one request."""


@dataclass(frozen=True)
class Column:
    """One place of both sequences; None where an arm has no token there."""

    fixed: Any
    reverted: Any

    @property
    def differs(self) -> bool:
        return bool(self.fixed != self.reverted)


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """One request whose answers differ. `first` is the index of the first differing token, if any differs.

    `skipped` tokens before the columns are equal, `left` columns follow them. `logprobs` says in words how
    far the (natural) log-probabilities of the tokens before that are apart, where they are.
    """

    request: str
    first: int | None
    skipped: int
    columns: tuple[Column, ...]
    left: int
    logprobs: str | None


def differing(fixed: Point, reverted: Point) -> list[Aligned]:
    """The requests that both points answered and answered differently, in order of their names.

    Reads `requests` of the results, or, for a point that faults, of what was compared: request name to
    `{"tokens": [...], "logprobs": [...]}`.
    """
    one, other = _requests(fixed), _requests(reverted)
    both = (name for name in sorted(one) if name in other)
    return [found for name in both if (found := _aligned(name, one[name], other[name]))]


def answered(point: Point) -> int:
    """How many requests this point has tokens of."""
    return len(_requests(point))


def align(one: Sequence[Any], other: Sequence[Any]) -> list[Column]:
    """Two sequences column by column: equal runs together, replaced runs side by side, the rest alone."""
    columns = []
    matcher = SequenceMatcher(None, _hashable(one), _hashable(other), autojunk=False)
    for _, i, j, k, m in matcher.get_opcodes():
        columns += [Column(a, b) for a, b in zip_longest(one[i:j], other[k:m])]
    return columns


def _aligned(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Aligned | None:
    columns = align(plain(one["tokens"]), plain(other["tokens"]))
    first = next((index for index, column in enumerate(columns) if column.differs), None)
    # After the first other token the arms answer different questions.
    logprobs = _apart(one.get("logprobs"), other.get("logprobs"), first)
    if first is None and logprobs is None:
        return None
    skipped = max(0, first - BEFORE) if first is not None else len(columns)
    shown = tuple(columns[skipped : skipped + COLUMNS])
    return Aligned(
        request=name, first=first, skipped=skipped, columns=shown,
        left=len(columns) - skipped - len(shown), logprobs=logprobs,
    )  # fmt: skip


def _apart(one: Any, other: Any, end: int | None) -> str | None:
    """The widest distance of two arms' log-probabilities before token `end`, where it is more than `NEAR`."""
    pairs = list(zip(_numbers(one), _numbers(other), strict=False))[:end]
    odd = [index for index, pair in enumerate(pairs) if not all(map(math.isfinite, pair))]
    if odd:
        return f"a log-probability of token {odd[0]} is not finite"
    distances = [abs(a - b) for a, b in pairs]
    widest = max(distances, default=0.0)
    if widest <= NEAR:
        return None
    which = "log-probabilities before that" if end is not None else "log-probabilities"
    return f"{which} differ by up to {widest:.3g}, at token {distances.index(widest)}"


def _numbers(values: Any) -> list[float]:
    """Log-probabilities; JSON has NaN and infinities as words, which `float` reads. None of other lists."""
    try:
        return [float(value) for value in values] if isinstance(values, list | tuple) else []
    except (TypeError, ValueError, OverflowError):
        return []


def _requests(point: Point) -> dict[str, Mapping[str, Any]]:
    found = point.results.get("requests", point.compared.get("requests"))
    if not isinstance(found, Mapping):
        return {}
    return {
        str(name): one
        for name, one in found.items()
        if isinstance(one, Mapping) and isinstance(one.get("tokens"), list | tuple)
    }


def _hashable(tokens: Sequence[Any]) -> list[str]:
    return [one_line(token) for token in tokens]

"""How much a change looks like a fix of this suite's kind, from 0 to 1."""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.draft.module import short
from harness.mine.changes import Changed
from harness.mine.places import Piece, pieces
from harness.mine.reasons import Reason, last_name, reasons
from harness.mine.syntax import syntax

_WEIGHT = {
    Reason.MASK: 0.75,
    Reason.INT64: 0.8,
    Reason.CLAMP: 0.8,
    Reason.SLICE: 0.6,
    Reason.SIZE: 0.55,
    Reason.PADDING: 0.6,
    Reason.PAGE: 0.65,
    Reason.INDEX: 0.5,
    Reason.STRIDE: 0.5,
    Reason.GUARD: 0.5,
    Reason.BOUND: 0.45,
    Reason.DTYPE: 0.3,
    Reason.SCALE: 0.5,
    Reason.EPSILON: 0.6,
    Reason.MEMORY: 0.45,
    Reason.RESET: 0.4,
    Reason.ORDER: 0.5,
    Reason.COPY: 0.4,
    Reason.ARITHMETIC: 0.45,
    Reason.SEQUENCE: 0.45,
    Reason.CONDITION: 0.25,
    Reason.CALL: 0.2,
    Reason.ARGUMENT: 0.2,
}
"""How often, by experience, a change of each kind is a fix."""
_PLACES = {
    "srt/mem_cache": 1.0,
    "srt/layers/attention": 1.0,
    "srt/speculative": 1.0,
    "srt/model_executor": 0.95,
    "srt/layers": 0.9,
    "srt/lora": 0.9,
    "srt/managers": 0.85,
    "srt/sampling": 0.9,
    "srt/disaggregation": 0.7,
    "srt/models": 0.6,
    "srt/multimodal": 0.45,
    "srt/hardware_backend": 0.6,
    "srt/entrypoints": 0.3,
    "srt/function_call": 0.15,
    "srt/parser": 0.15,
    "srt": 0.6,
    "kernels": 1.0,
    "jit_kernel": 0.9,
}
"""Where fixes of this suite's kind are made: the longest name counts."""
_ELSEWHERE = 0.3
_EXCHANGED, _ADDED, _BOUND, _REMOVED = 0.75, 0.5, 0.3, 0.3
"""What counts of an exchanged expression, a new one, a new assignment, and one that is gone."""
_RENAMED = 0.1
"""What counts of a name in the place of another one, throughout a function."""
_FETCHED = 0.25
"""What counts of the same name by another way, as in `self.ps.size` → `parallel.size`: it has moved."""
_LEAVES = (ast.Name, ast.Attribute)
_SMALL = 6
"""Pieces that a fix may have before it looks like a rewrite."""
_MANY = 3
"""Functions that may share a piece before it looks like a rename of something."""


LEAST = 0.2
"""The score below which a change is no candidate."""


Key = tuple[int, ...]
"""What two pieces share that change the same code into the same."""


@dataclass(frozen=True)
class Sign:
    """One piece of a change with its reasons, and how much it counts."""

    piece: Piece
    reasons: frozenset[Reason]
    weight: float


@dataclass(frozen=True)
class Candidate:
    """A changed function with what speaks for a fix; `score` is from 0 to 1.

    `shown` are its weightiest pieces as text, and `also` functions in which the weightiest is the same.
    """

    changed: Changed
    score: float
    reasons: tuple[Reason, ...]
    shown: tuple[str, ...]
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ranked:
    """The candidates, the likeliest fix first, and how many functions differ at all."""

    candidates: tuple[Candidate, ...]
    changed: int


def ranked(changes: Iterable[Changed]) -> Ranked:
    """The changes that have a reason and reach LEAST; of one score they are in the order of their places."""
    cut = [(one, found) for one in changes if (found := _pieces(one))]
    common = Counter(key for _, found in cut for key in {_key(piece) for piece in found})
    candidates = [_candidate(one, found, common) for one, found in cut]
    kept = [one for one in candidates if one.reasons and one.score >= LEAST]
    kept.sort(key=lambda one: (-one.score, one.changed.path, one.changed.line))
    return Ranked(tuple(_grouped(kept)), len(cut))


def _pieces(change: Changed) -> list[Piece]:
    """The pieces of a change; what a part leaves behind is none of it."""
    found = pieces(change.before, change.after)
    return [one for one in found if one.after is not None] if change.part else found


def _grouped(candidates: Iterable[Candidate]) -> list[Candidate]:
    """One candidate for what is changed in the same way in several functions of a file."""
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for one in candidates:
        groups.setdefault((one.changed.path, one.shown[0]), []).append(one)
    return [
        replace(first, also=tuple(one.changed.qualname for one in rest)) for first, *rest in groups.values()
    ]


def _key(piece: Piece) -> Key:
    return tuple(syntax(one) if one else 0 for one in (piece.before, piece.after))


def _candidate(change: Changed, found: Sequence[Piece], common: Counter[Key]) -> Candidate:
    own = Counter(map(_key, found))
    signs = [_sign(piece, common[_key(piece)], own[_key(piece)]) for piece in found]
    signs.sort(key=lambda one: -one.weight)
    told = [one for one in signs if one.reasons]
    doubt = 1.0
    for sign in told[:4]:
        doubt *= 1 - sign.weight
    score = (1 - doubt) * _place(change.path) * _smallness(found) * _shape(change)
    kinds = tuple(dict.fromkeys(reason for one in told for reason in _ordered(one.reasons)))
    return Candidate(change, round(score, 4), kinds, tuple(_shown(one.piece) for one in told[:3]))


def _ordered(kinds: Iterable[Reason]) -> list[Reason]:
    return sorted(kinds, key=lambda one: (-_WEIGHT[one], one))


def _sign(piece: Piece, functions: int, times: int) -> Sign:
    kinds = reasons(piece)
    doubt = 1.0
    for kind in _ordered(kinds)[:2]:
        doubt *= 1 - _WEIGHT[kind]
    # One fix of many kernels wraps the same code in each; a rename wraps none.
    rarity = min(1.0, (4 * _MANY if piece.wraps else _MANY) / functions)
    return Sign(piece, kinds, (1 - doubt) * _strength(piece, times) * rarity)


def _strength(piece: Piece, times: int) -> float:
    """An expression that is wrapped in another is most often a fix, a new statement a feature."""
    if piece.same:  # what is only known at another time is most often a clean-up
        return _BOUND if isinstance(piece.after, ast.Assign | ast.AnnAssign) else _EXCHANGED
    if piece.wraps:
        return 1.0
    if _is_fetched(piece):
        return _FETCHED
    if times >= _MANY and all(isinstance(one, _LEAVES) for one in (piece.before, piece.after)):
        return _RENAMED
    if piece.before is None:  # what is only kept for later is a feature's
        return _BOUND if isinstance(piece.after, ast.Assign | ast.AnnAssign) else _ADDED
    if piece.after is None:
        return _REMOVED
    return _EXCHANGED


def _is_fetched(piece: Piece) -> bool:
    """Whether both sides name, or call with the same arguments, what has the same last name."""
    before, after = piece.before, piece.after
    if isinstance(before, ast.Call) and isinstance(after, ast.Call):
        given = [[syntax(one) for one in (*side.args, *side.keywords)] for side in (before, after)]
        return given[0] == given[1] and _is_fetched(replace(piece, before=before.func, after=after.func))
    names = [last_name(one) for one in (before, after) if one and _is_path(one)]
    return len(names) == 2 and names[0] == names[1]


def _is_path(node: ast.AST) -> bool:
    """Whether a node is names alone: what is computed on the way may well be the fix."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _place(path: str) -> float:
    parts = path.split("/")
    names = ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((_PLACES[name] for name in names if name in _PLACES), _ELSEWHERE)


def _smallness(found: Sequence[Piece]) -> float:
    size = sum(_size(piece) for piece in found)
    return math.sqrt(min(1.0, _SMALL / max(size, 1)))


def _size(piece: Piece) -> float:
    """A piece counts as one; a statement with a body as all that are in it."""
    nodes = [node for one in (piece.before, piece.after) if one for node in ast.walk(one)]
    return max(1, sum(isinstance(node, ast.stmt) for node in nodes))


def _shape(change: Changed) -> float:
    """A fix leaves the parameters as they are; a move may hide one, and most often does not."""
    same = syntax(change.before.args) == syntax(change.after.args)
    return (1.0 if same or change.origin else 0.7) * (0.8 if change.moved or change.origin else 1.0)


def _shown(piece: Piece) -> str:
    before, after = (short(ast.unparse(one), 70) if one else "" for one in (piece.before, piece.after))
    if piece.same:
        return f"moved: {after}"
    if not before:
        return f"+ {after}"
    return f"{before} → {after}" if after else f"- {before}"

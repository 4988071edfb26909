"""Whether a piece of code is what a pattern spells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import libcst as cst

from harness.source.match.nodes import BLOCK, field_names, is_layout, statements_in
from harness.source.match.strings import text_parts

ANY = "ANY"
"""The name that stands for any expression in a pattern."""


def matches(wanted: object, found: object) -> bool:
    """Whether the syntax is the same, but for layout and for what the pattern leaves open."""
    if isinstance(wanted, cst.Name) and wanted.value == ANY:
        return isinstance(found, cst.BaseExpression)
    if isinstance(wanted, cst.CSTNode):
        special = _special(type(wanted))
        return special(wanted, found) if special else _same_fields(wanted, found)
    if isinstance(wanted, list | tuple):
        return isinstance(found, list | tuple) and _same_items(_content(wanted), _content(found))
    return bool(wanted == found)


def _same_fields(wanted: cst.CSTNode, found: object, but: tuple[str, ...] = ()) -> bool:
    if type(wanted) is not type(found):
        return False
    names = (name for name in field_names(type(wanted)) if name not in but)
    pairs = (
        (_without_layout(getattr(wanted, name)), _without_layout(getattr(found, name))) for name in names
    )
    return all(matches(a, b) for a, b in pairs)


def _same_items(wanted: Sequence[object], found: Sequence[object]) -> bool:
    return len(wanted) == len(found) and all(map(matches, wanted, found))


def _content(items: Sequence[object]) -> list[object]:
    return [item for item in items if not is_layout(item)]


def _without_layout(value: object) -> object:
    return None if is_layout(value) else value


# --- where structure alone is too strict ---------------------------------------------------


def _same_number(wanted: Any, found: Any) -> bool:
    return type(wanted) is type(found) and bool(wanted.evaluated_value == found.evaluated_value)


def _same_text(wanted: Any, found: Any) -> bool:
    return isinstance(found, cst.BaseString) and _same_items(text_parts(wanted), text_parts(found))


def _same_call(wanted: cst.Call, found: object) -> bool:
    if not isinstance(found, cst.Call) or not matches(wanted.func, found.func):
        return False
    if not is_open(wanted):
        return matches(wanted.args, found.args)
    run, named = open_arguments(wanted)
    alike = all(any(matches(one, other) for other in found.args) for one in named)
    return alike and (not run or place_of(run, found) is not None)


def is_open(call: cst.Call) -> bool:
    """Whether a pattern's call begins with dots, and leaves open all arguments but those that it names.

    It names some by keyword, and may name a run of positional ones between dots: `f(..., a, b, ..., n=1)`.
    """
    rest = call.args[1:]
    if not call.args or not _is_dots_argument(call.args[0]):
        return False
    ends = [at for at, one in enumerate(rest) if _is_dots_argument(one)]
    after = rest[ends[0] + 1 :] if len(ends) == 1 else rest
    return len(ends) <= 1 and all(one.keyword for one in after)


def open_arguments(call: cst.Call) -> tuple[Sequence[cst.Arg], Sequence[cst.Arg]]:
    """The run of positional arguments that an open call names, and its keywords."""
    rest = call.args[1:]
    end = next((at for at, one in enumerate(rest) if _is_dots_argument(one)), None)
    return (rest[:end], rest[end + 1 :]) if end is not None else ((), rest)


def place_of(run: Sequence[cst.Arg], found: cst.Call) -> int | None:
    """Where in a call's arguments a run of positional ones begins; None unless that is one place."""
    given = [one for one in found.args if not one.keyword]
    starts = range(len(given) - len(run) + 1)
    places = [at for at in starts if all(map(_same_argument, run, given[at : at + len(run)]))]
    return places[0] if len(places) == 1 and list(found.args[: len(given)]) == given else None


def _same_argument(wanted: cst.Arg, found: cst.Arg) -> bool:
    return wanted.star == found.star and matches(wanted.value, found.value)


def _is_dots_argument(one: cst.Arg) -> bool:
    return not one.star and one.keyword is None and _is_dots([one.value])


def _same_subscript(wanted: cst.Subscript, found: object) -> bool:
    if not isinstance(found, cst.Subscript) or not matches(wanted.value, found.value):
        return False
    if _is_any_index(wanted.slice):  # ANY stands for a slice and for several indices too
        return True
    return _is_tuple(wanted) == _is_tuple(found) and matches(wanted.slice, found.slice)


def _is_any_index(elements: Sequence[cst.SubscriptElement]) -> bool:
    index = elements[0].slice if len(elements) == 1 else None
    return isinstance(index, cst.Index) and isinstance(index.value, cst.Name) and index.value.value == ANY


def _is_tuple(node: cst.Subscript) -> bool:
    return len(node.slice) > 1 or isinstance(node.slice[0].comma, cst.Comma)


def _same_definition(wanted: Any, found: Any) -> bool:
    """`def f(ANY): ...` and `class C(ANY): ...` leave open all but the name."""
    if type(wanted) is not type(found):
        return False
    return matches(wanted.name, found.name) if is_any_definition(wanted) else _same_fields(wanted, found)


def is_any_definition(wanted: object) -> bool:
    """Whether a pattern spells a definition of which only the name counts."""
    if not isinstance(wanted, cst.FunctionDef | cst.ClassDef) or not is_any_body(wanted.body):
        return False
    if isinstance(wanted, cst.ClassDef):
        return [one.value.value for one in wanted.bases if isinstance(one.value, cst.Name)] == [ANY]
    own = wanted.params
    plain = [one.name.value for one in own.params if one.annotation is None and one.default is None]
    others = (own.kwonly_params, own.posonly_params, own.star_kwarg, isinstance(own.star_arg, cst.Param))
    return plain == [ANY] and not any(others)


def _same_block(wanted: Any, found: Any) -> bool:
    return isinstance(found, BLOCK) and (
        is_any_body(wanted) or _same_items(statements_in(wanted), statements_in(found))
    )


def _same_branches(wanted: Any, found: Any) -> bool:
    """A body of dots leaves open what comes after it, too, unless the pattern spells that out."""
    after = ("orelse", "finalbody") if is_any_body(wanted.body) else ()
    but = tuple(name for name in after if getattr(wanted, name, None) is None)
    return _same_fields(wanted, found, but)


def is_any_body(block: object) -> bool:
    """Whether a block is dots and nothing else: in a pattern, any body."""
    pieces = statements_in(block) if isinstance(block, BLOCK) else []
    return _is_dots([piece.value for piece in pieces if isinstance(piece, cst.Expr)]) and len(pieces) == 1


def _is_dots(values: Sequence[object]) -> bool:
    return len(values) == 1 and isinstance(values[0], cst.Ellipsis)


_SPECIAL: tuple[tuple[tuple[type[cst.CSTNode], ...], Callable[[Any, Any], bool]], ...] = (
    ((cst.Integer, cst.Float, cst.Imaginary), _same_number),
    ((cst.BaseString,), _same_text),
    ((cst.Call,), _same_call),
    ((cst.Subscript,), _same_subscript),
    (BLOCK, _same_block),
    ((cst.FunctionDef, cst.ClassDef), _same_definition),
    ((cst.If, cst.For, cst.While, cst.Try, cst.TryStar), _same_branches),
)


@cache
def _special(kind: type[cst.CSTNode]) -> Callable[[Any, Any], bool] | None:
    return next((same for kinds, same in _SPECIAL if issubclass(kind, kinds)), None)

"""Dots in what replaces a piece stand for what the dots of its pattern left open there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import libcst as cst

from harness.errors import StaleRevert
from harness.source.match.expressions import sole_expression
from harness.source.match.nodes import BLOCK, Line, Piece, pieces_in, statements_in
from harness.source.match.same import is_any_body, is_any_definition, is_open, open_arguments, place_of

_COMMA = cst.MaybeSentinel.DEFAULT


def keeps(wanted: Piece, lines: Sequence[Line]) -> bool:
    """Whether code that a pattern leaves open stays where these lines take the place of the piece."""
    return is_any_body(getattr(wanted, "body", None)) and any(map(_has_dots, lines))


def filled(lines: list[Line], wanted: Piece, found: Piece) -> list[Line]:
    """The lines, with the arguments or the body that the pattern `wanted` left open in `found`.

    StaleRevert if a bare body is to stay of a statement that has an `else` too.
    """
    value = sole_expression(lines)
    if isinstance(wanted, cst.Call) and isinstance(value, cst.Call) and is_open(wanted) and is_open(value):
        return [cst.SimpleStatementLine([cst.Expr(_call(value, wanted, found))])]
    if keeps(wanted, lines):
        return [new for line in lines for new in _line(line, wanted, found)]
    return lines


# --- arguments -----------------------------------------------------------------------------


def _call(new: cst.Call, wanted: cst.Call, found: Any) -> cst.Call:
    """The found arguments, with those that the pattern names replaced by those that `new` names."""
    (run, named), (gone, were) = open_arguments(new), open_arguments(wanted)
    args = _with_run(found, run, gone)
    ours = {_name(one): one.with_changes(comma=_COMMA) for one in named}
    theirs = list(map(_name, were))
    kept = list(_in_place(args, ours) if set(ours) == set(theirs) else _moved(args, ours, theirs))
    return new.with_changes(args=kept)


def _with_run(found: Any, new: Sequence[cst.Arg], old: Sequence[cst.Arg]) -> Sequence[cst.Arg]:
    """The found arguments with one run of positional ones in the place of another."""
    at = place_of(old, found) if old else None
    if at is None:
        return tuple(found.args)
    fresh = [one.with_changes(comma=_COMMA) for one in new]
    return (*found.args[:at], *fresh, *found.args[at + len(old) :])


def _in_place(found: Sequence[cst.Arg], ours: dict[str, cst.Arg]) -> Iterator[cst.Arg]:
    for one in found:
        yield one.with_changes(value=ours[_name(one)].value) if _name(one) in ours else one


def _moved(found: Sequence[cst.Arg], ours: dict[str, cst.Arg], theirs: list[str]) -> Iterator[cst.Arg]:
    """New arguments stand where the first replaced one stood, or at the end."""
    waiting = list(ours.values())
    for one in found:
        if _name(one) in theirs:
            yield from waiting
            waiting = []
        else:
            yield one
    yield from waiting


def _name(argument: cst.Arg) -> str:
    return argument.keyword.value if argument.keyword else ""


# --- bodies --------------------------------------------------------------------------------


def _has_dots(line: Any) -> bool:
    """Whether a line is dots, or a statement with a body of which one is."""
    if _is_dots(line):
        return True
    blocks = (getattr(line, "body", None), getattr(getattr(line, "orelse", None), "body", None))
    lines = [inner for block in blocks if isinstance(block, BLOCK) for inner in _block(block)]
    return any(map(_has_dots, lines))


def _is_dots(line: object) -> bool:
    pieces = pieces_in(line)
    return len(pieces) == 1 and isinstance(pieces[0], cst.Expr) and isinstance(pieces[0].value, cst.Ellipsis)


def _line(line: Any, wanted: Any, found: Any) -> list[Any]:
    if _is_dots(line):
        if getattr(found, "orelse", None) and not wanted.orelse:
            raise StaleRevert("dots stand for the body of a statement that has an `else`, too")
        return _block(found.body)
    if is_any_definition(line) and line.name.value == found.name.value:
        return [found.with_changes(leading_lines=line.leading_lines)]
    return [_compound(line, wanted, found)] if _has_dots(line) else [line]


def _compound(line: Any, wanted: Any, found: Any) -> Any:
    new = line.with_changes(body=_filled_block(line.body, wanted, found))
    own = getattr(line, "orelse", None)
    if own is not None and _has_dots(own):
        return new.with_changes(orelse=_compound(own, wanted, found))
    same = type(line) is type(found) and is_any_body(line.body) and not getattr(wanted, "orelse", True)
    return new.with_changes(orelse=found.orelse) if same and own is None else new


def _filled_block(block: Any, wanted: Any, found: Any) -> Any:
    if is_any_body(block):
        return found.body
    lines = [new for line in _block(block) for new in _line(line, wanted, found)]
    return cst.IndentedBlock(lines)


def _block(block: Any) -> list[Any]:
    """The lines of a block, each on its own."""
    if isinstance(block, cst.SimpleStatementSuite):
        return [cst.SimpleStatementLine([one]) for one in statements_in(block)]
    return list(block.body)

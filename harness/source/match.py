"""Find and rewrite one piece of a function by syntax: layout, quotes and brackets never matter."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

import libcst as cst

from harness.errors import BadInput, StaleRevert

ANY = "ANY"
"""The name that stands for any expression in a pattern."""

Piece = cst.BaseExpression | cst.BaseSmallStatement | cst.BaseCompoundStatement
Expression = cst.BaseExpression
Line = cst.SimpleStatementLine | cst.BaseCompoundStatement
Small = Sequence[cst.BaseSmallStatement]
Place = tuple[tuple[str, int | None], ...]
"""The way from a node down to another: field names, with the index in fields that are sequences."""

_LAYOUT = (
    cst.BaseParenthesizableWhitespace, cst.TrailingWhitespace, cst.EmptyLine, cst.Newline, cst.Comment,
    cst.Comma, cst.Semicolon, cst.Colon, cst.AssignEqual, cst.LeftParen, cst.RightParen,
    cst.LeftSquareBracket, cst.RightSquareBracket, cst.LeftCurlyBrace, cst.RightCurlyBrace,
)  # fmt: skip
_CLAUSES = (cst.Else, cst.Finally, cst.ExceptHandler, cst.ExceptStarHandler, cst.MatchCase)
_BLOCK = (cst.IndentedBlock, cst.SimpleStatementSuite)


# --- patterns ------------------------------------------------------------------------------


def pattern(text: str) -> Piece:
    """The one expression or statement that `text` spells. BadInput if it is another number of them."""
    statements = _statements(text)
    small = [piece for line in statements for piece in _pieces(line)]
    if len(small) != 1:
        raise BadInput(f"a pattern is one expression or one statement, not {len(small)}: {text!r}")
    return small[0].value if isinstance(small[0], cst.Expr) else small[0]


def find(function: cst.FunctionDef, wanted: Piece) -> tuple[Piece, ...]:
    """Every expression or statement of the function, nested functions included, that matches."""
    return tuple(node for node in _searched(function) if matches(wanted, node))


def functions(module: cst.Module, qualname: str) -> tuple[cst.FunctionDef, ...]:
    """The definitions with that qualified name, in source order."""
    return tuple(node for name, node in _definitions(module, ()) if name == qualname)


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
    names = (name for name in _field_names(type(wanted)) if name not in but)
    pairs = (
        (_without_layout(getattr(wanted, name)), _without_layout(getattr(found, name))) for name in names
    )
    return all(matches(a, b) for a, b in pairs)


def _same_items(wanted: Sequence[object], found: Sequence[object]) -> bool:
    return len(wanted) == len(found) and all(map(matches, wanted, found))


def _content(items: Sequence[object]) -> list[object]:
    return [item for item in items if not _is_layout(item)]


def _without_layout(value: object) -> object:
    return None if _is_layout(value) else value


def _is_layout(value: object) -> bool:
    return value is cst.MaybeSentinel.DEFAULT or (isinstance(value, cst.CSTNode) and _lays_out(type(value)))


@cache
def _lays_out(kind: type[cst.CSTNode]) -> bool:
    return issubclass(kind, _LAYOUT)


@cache
def _field_names(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


# --- where structure alone is too strict ---------------------------------------------------


def _same_number(wanted: Any, found: Any) -> bool:
    return type(wanted) is type(found) and bool(wanted.evaluated_value == found.evaluated_value)


def _same_text(wanted: Any, found: Any) -> bool:
    return isinstance(found, cst.BaseString) and _same_items(_text_parts(wanted), _text_parts(found))


def _same_call(wanted: cst.Call, found: object) -> bool:
    if not isinstance(found, cst.Call) or not matches(wanted.func, found.func):
        return False
    return _is_dots([argument.value for argument in wanted.args]) or matches(wanted.args, found.args)


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


def _same_block(wanted: Any, found: Any) -> bool:
    return isinstance(found, _BLOCK) and (_is_any_body(wanted) or _same_items(_lines(wanted), _lines(found)))


def _same_branches(wanted: Any, found: Any) -> bool:
    """A body of dots leaves open what comes after it, too, unless the pattern spells that out."""
    after = ("orelse", "finalbody") if _is_any_body(wanted.body) else ()
    but = tuple(name for name in after if getattr(wanted, name, None) is None)
    return _same_fields(wanted, found, but)


def _is_any_body(block: object) -> bool:
    pieces = _lines(block) if isinstance(block, _BLOCK) else []
    return _is_dots([piece.value for piece in pieces if isinstance(piece, cst.Expr)]) and len(pieces) == 1


def _is_dots(values: Sequence[object]) -> bool:
    return len(values) == 1 and isinstance(values[0], cst.Ellipsis)


_SPECIAL: tuple[tuple[tuple[type[cst.CSTNode], ...], Callable[[Any, Any], bool]], ...] = (
    ((cst.Integer, cst.Float, cst.Imaginary), _same_number),
    ((cst.BaseString,), _same_text),
    ((cst.Call,), _same_call),
    ((cst.Subscript,), _same_subscript),
    (_BLOCK, _same_block),
    ((cst.If, cst.For, cst.While, cst.Try, cst.TryStar), _same_branches),
)


@cache
def _special(kind: type[cst.CSTNode]) -> Callable[[Any, Any], bool] | None:
    return next((same for kinds, same in _SPECIAL if issubclass(kind, kinds)), None)


def _text_parts(node: Any) -> list[object]:
    """What a string spells: its text, joined over quotes and adjacent literals, and its inserted values."""
    parts: list[object] = []
    for part in _raw_parts(node):
        if parts and isinstance(part, str | bytes) and type(parts[-1]) is type(part):
            parts[-1] += part  # type: ignore[operator]
        else:
            parts.append(part)
    return parts or [""]


def _raw_parts(node: Any) -> Iterator[object]:
    if isinstance(node, cst.ConcatenatedString):
        yield from (*_raw_parts(node.left), *_raw_parts(node.right))
    elif isinstance(node, cst.SimpleString):
        yield node.evaluated_value
    elif isinstance(node, cst.FormattedString):
        yield from _formatted_parts(node, node.parts)
    else:
        yield node


def _formatted_parts(string: cst.FormattedString, parts: Sequence[Any]) -> Iterator[object]:
    prefix = string.prefix.lower().replace("f", "")
    for part in parts:
        if isinstance(part, cst.FormattedStringText):
            text = part.value.replace("{{", "{").replace("}}", "}")
            yield ast.literal_eval(f"{prefix}{string.quote}{text}{string.quote}")
        else:  # `{x=}` prints the name, so its sign counts
            yield (part.expression, part.conversion, part.equal is not None)
            yield list(_formatted_parts(string, part.format_spec or ()))


# --- walking -------------------------------------------------------------------------------


def _statements(text: str) -> list[Line]:
    return list(cst.parse_module(text.strip("\n")).body)


def _pieces(line: object) -> list[Any]:
    return list(line.body) if isinstance(line, cst.SimpleStatementLine) else [line]


def _lines(block: Any) -> list[Any]:
    """The statements of a block, whether it is indented or follows its colon on one line."""
    if isinstance(block, cst.SimpleStatementSuite):
        return list(block.body)
    return [piece for line in block.body for piece in _pieces(line)]


def _children(node: cst.CSTNode) -> Iterator[tuple[str, int | None, cst.CSTNode]]:
    """What a node is made of, layout left out: field, index in it, child."""
    for name in _field_names(type(node)):
        value = getattr(node, name)
        if isinstance(value, cst.CSTNode):
            if not _lays_out(type(value)):
                yield name, None, value
        elif isinstance(value, list | tuple):
            yield from ((name, index, item) for index, item in enumerate(value) if not _is_layout(item))


# Fields that hold a bare name rather than an expression.
_NAMES = frozenset({"attr", "keyword", "name", "names", "module"})


def _searched(function: cst.FunctionDef) -> Iterator[Piece]:
    """Expressions and statements of a function: its body and its parameters' defaults, never annotations."""
    yield from _inside(function.params)
    yield from _inside(function.body)


def _inside(node: cst.CSTNode) -> Iterator[Piece]:
    for name, _, child in _children(node):
        if name in _NAMES or isinstance(child, cst.Annotation):
            continue
        # A piece of adjacent literals is no expression of its own.
        if isinstance(child, Piece) and not isinstance(node, cst.ConcatenatedString):
            yield child
        yield from _inside(child)


def _definitions(node: cst.CSTNode, outer: tuple[str, ...]) -> Iterator[tuple[str, cst.FunctionDef]]:
    for _, _, child in _children(node):
        if isinstance(child, cst.FunctionDef | cst.ClassDef):
            inside = (*outer, child.name.value)
            if isinstance(child, cst.FunctionDef):
                yield ".".join(inside), child
            yield from _definitions(child.body, inside)
        elif isinstance(child, (cst.BaseCompoundStatement, *_BLOCK, *_CLAUSES)):
            yield from _definitions(child, outer)


def _places(root: cst.CSTNode) -> Iterator[tuple[Place, cst.CSTNode]]:
    """Every node at or below `root` in source order, with the way to it."""
    waiting: list[tuple[Place, cst.CSTNode]] = [((), root)]
    while waiting:
        place, node = waiting.pop()
        yield place, node
        below = [((*place, (name, index)), child) for name, index, child in _children(node)]
        waiting += reversed(below)


# --- rewriting -----------------------------------------------------------------------------


def rewrite(module: cst.Module, changes: Sequence[tuple[Piece, str]]) -> cst.Module:
    """The module with each piece replaced by its text; an empty text removes a statement.

    StaleRevert if pieces overlap, or if a piece cannot be replaced so where it stands.
    """
    order = {id(node): number for number, (_, node) in enumerate(_places(module))}
    _forbid_overlap([piece for piece, _ in changes])
    # Backwards, because taking a statement out hands its comments to the one that follows.
    for piece, by in sorted(changes, key=lambda change: -order[id(change[0])]):
        place = next(place for place, node in _places(module) if node is piece)
        module = _put(module, *_change(module, place, by))
    return module


def _forbid_overlap(pieces: Sequence[Piece]) -> None:
    for piece in pieces:
        inner = {id(node) for _, node in _places(piece)}
        if sum(id(other) in inner for other in pieces) > 1:
            raise StaleRevert("two edits of one form change the same piece of code")


def _change(module: cst.Module, place: Place, by: str) -> tuple[Place, cst.CSTNode]:
    """Which node to put where, so that the piece at `place` reads `by`."""
    target, parent = _get(module, place), _get(module, place[:-1])
    lines = _statements(by)
    if not isinstance(target, cst.BaseExpression):
        return _change_statement(module, place, lines)
    value = _sole_expression(lines)
    if value is not None:
        return place, _fitted(value, target, parent, place[-1][0])
    if isinstance(parent, cst.Expr):
        return _change_statement(module, place[:-1], lines)
    what = "several statements" if lines else "nothing"
    raise StaleRevert(f"`{_code(target)}` is part of a larger statement: {what} cannot take its place")


def _change_statement(module: cst.Module, place: Place, lines: list[Line]) -> tuple[Place, cst.CSTNode]:
    target, parent = _get(module, place), _get(module, place[:-1])
    index = place[-1][1]
    if index is None:
        return place[:-1], _without_elif(parent, target, lines)
    if isinstance(parent, cst.SimpleStatementSuite):
        return place[:-1], _in_suite(parent, index, lines)
    if not isinstance(parent, cst.SimpleStatementLine):
        return place[:-1], _in_block(parent, index, lines)
    if len(parent.body) == 1:
        return _change_statement(module, place[:-1], lines)
    if all(isinstance(line, cst.SimpleStatementLine) for line in lines):
        return place[:-1], parent.with_changes(body=_spliced(parent.body, index, lines))
    block, at = place[:-2], place[-2][1]
    assert at is not None
    return block, _with_lines(_get(module, block), at, _split(parent, index, lines))


def _in_block(block: cst.IndentedBlock, index: int, lines: list[Line]) -> cst.IndentedBlock:
    old: Any = block.body[index]  # every statement has leading lines, but their base class does not say so
    if lines:
        first = lines[0].with_changes(leading_lines=(*old.leading_lines, *lines[0].leading_lines))
        return _with_lines(block, index, _with_comment([first, *lines[1:]], old))
    rest: list[Any] = [*block.body[:index], *block.body[index + 1 :]]
    if not rest:
        nothing = cst.SimpleStatementLine([cst.Pass()], leading_lines=old.leading_lines)
        return _with_lines(block, index, [nothing])
    if index == len(rest):
        return block.with_changes(body=rest, footer=(*old.leading_lines, *block.footer))
    rest[index] = rest[index].with_changes(leading_lines=(*old.leading_lines, *rest[index].leading_lines))
    return block.with_changes(body=rest)


def _with_lines(block: cst.IndentedBlock, index: int, lines: Sequence[Line]) -> cst.IndentedBlock:
    return block.with_changes(body=[*block.body[:index], *lines, *block.body[index + 1 :]])


def _with_comment(lines: list[Line], old: Any) -> list[Line]:
    """The comment behind the old statement stays behind the last new one, or goes above them."""
    kept = getattr(old, "trailing_whitespace", None)
    if kept is None or kept.comment is None:
        return lines
    if isinstance(lines[-1], cst.SimpleStatementLine):
        return [*lines[:-1], lines[-1].with_changes(trailing_whitespace=kept)]
    above = (*lines[0].leading_lines, cst.EmptyLine(comment=kept.comment))
    return [lines[0].with_changes(leading_lines=above), *lines[1:]]


def _in_suite(suite: cst.SimpleStatementSuite, index: int, lines: list[Line]) -> cst.CSTNode:
    if all(isinstance(line, cst.SimpleStatementLine) for line in lines):
        return suite.with_changes(body=_spliced(suite.body, index, lines))
    line = cst.SimpleStatementLine(suite.body, trailing_whitespace=suite.trailing_whitespace)
    return cst.IndentedBlock(_split(line, index, lines))


def _spliced(pieces: Small, index: int, lines: list[Line]) -> list[cst.BaseSmallStatement]:
    new = [piece for line in lines for piece in _pieces(line)]
    return _alone([*pieces[:index], *new, *pieces[index + 1 :]]) or [cst.Pass()]


def _alone(pieces: Small) -> list[cst.BaseSmallStatement]:
    """Small statements without the semicolons they brought along."""
    return [piece.with_changes(semicolon=cst.MaybeSentinel.DEFAULT) for piece in pieces]


def _split(line: cst.SimpleStatementLine, index: int, lines: list[Line]) -> list[Line]:
    """`a; b; c` with compound statements for `b`: they need lines of their own."""
    before, after = _alone(line.body[:index]), _alone(line.body[index + 1 :])
    parts: list[Line] = [*_joined(before), *lines, *_joined(after)]
    parts[0] = parts[0].with_changes(leading_lines=line.leading_lines)
    return _with_comment(parts, line)


def _joined(pieces: Small) -> list[cst.SimpleStatementLine]:
    return [cst.SimpleStatementLine(pieces)] if pieces else []


def _without_elif(parent: cst.If, target: cst.If, lines: list[Line]) -> cst.CSTNode:
    if not lines:
        return parent.with_changes(orelse=None)
    if len(lines) == 1 and isinstance(lines[0], cst.If):
        return parent.with_changes(orelse=lines[0].with_changes(leading_lines=target.leading_lines))
    return parent.with_changes(orelse=cst.Else(cst.IndentedBlock(lines), leading_lines=target.leading_lines))


# --- putting an expression where another stood ---------------------------------------------

_ATOMS = (
    cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.BaseList, cst.BaseSet, cst.BaseDict,
    cst.SimpleString, cst.FormattedString, cst.BaseNumber, cst.Ellipsis,
)  # fmt: skip
_NEVER_BARE = (cst.NamedExpr, cst.Tuple, cst.Yield, cst.GeneratorExp)
_FREE = frozenset(
    {
        (cst.Assign, "value"), (cst.AugAssign, "value"), (cst.AnnAssign, "value"), (cst.Return, "value"),
        (cst.Expr, "value"), (cst.Arg, "value"), (cst.Index, "value"), (cst.Element, "value"),
        (cst.Param, "default"), (cst.If, "test"), (cst.While, "test"), (cst.Assert, "test"),
    }
)  # fmt: skip
"""Where an expression needs no brackets of its own, whatever its operators."""


def _sole_expression(lines: list[Line]) -> cst.BaseExpression | None:
    pieces = [piece for line in lines for piece in _pieces(line)]
    return pieces[0].value if len(pieces) == 1 and isinstance(pieces[0], cst.Expr) else None


def _fitted(value: Expression, old: Expression, parent: cst.CSTNode, field: str) -> Expression:
    """The value with the old one's brackets, or with its own where its surroundings need them."""
    if old.lpar:
        return value.with_changes(lpar=old.lpar, rpar=old.rpar)
    number = isinstance(value, cst.BaseNumber) and isinstance(parent, cst.Attribute)
    free = (type(parent), field) in _FREE and not isinstance(value, _NEVER_BARE)
    if value.lpar or free or (isinstance(value, _ATOMS) and not number):
        return value
    return _bracketed(value)


def _get(node: cst.CSTNode, place: Place) -> Any:
    for name, index in place:
        node = getattr(node, name) if index is None else getattr(node, name)[index]
    return node


def _put(root: cst.Module, place: Place, new: cst.CSTNode) -> cst.Module:
    for depth in range(len(place) - 1, -1, -1):
        parent, (name, index) = _get(root, place[:depth]), place[depth]
        new = _with_child(parent, name, index, new)
    assert isinstance(new, cst.Module)
    return new


def _with_child(parent: cst.CSTNode, name: str, index: int | None, new: Any) -> cst.CSTNode:
    if index is not None:
        items = getattr(parent, name)
        return parent.with_changes(**{name: [*items[:index], new, *items[index + 1 :]]})
    try:
        return parent.with_changes(**{name: new})
    except cst.CSTValidationError:  # `not(x)` and its like have no space for a name without brackets
        return parent.with_changes(**{name: _bracketed(new)})


def _bracketed(value: cst.BaseExpression) -> cst.BaseExpression:
    return value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _code(node: cst.CSTNode) -> str:
    return " ".join(cst.Module([]).code_for_node(node).split())

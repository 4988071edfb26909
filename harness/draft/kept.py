"""Other ways to undo a change of a definition, which keep what callers need.

Callers may pass what the fix added, miss what it took away, or know the new name alone.
"""

from __future__ import annotations

import ast
import copy
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from harness.draft.module import Function
from harness.facts import Edit

_DOTS = ast.Expr(ast.Constant(...))
_Signature = tuple[ast.arguments, list[str]]
"""Parameters that callers may know, and what the body then has to begin with."""
_Way = Callable[[ast.arguments, ast.arguments], Iterator[_Signature]]


def ways(edit: Edit, fixed: Function | None) -> Iterator[Edit | None]:
    """What may stand for an edit, the closest to what was before first; None is to leave it out.

    `fixed` is the function that it is in as the fix has it; None if it is in none.
    """
    nothing = [None] if _is_optional(edit) else []
    before, now = _only_function(edit.by), _only_function(edit.replace)
    if before is None or now is None:
        return iter(nothing)
    if fixed is None:  # of a function that is replaced as a whole in its class or module
        fixed, edit = now, _in_function(edit, now.name)
    near, far = (_edits(edit, fixed, before, way) for way in (_known, _joined))
    # A head is better left alone than with parameters that it never had; a whole function is left last.
    return chain(near, nothing, far) if _is_open(before) else chain(near, far, nothing)


def _in_function(edit: Edit, name: str) -> Edit:
    """The same edit as one of the function itself, so that an arm is known by it."""
    whole = f"{edit.in_class}.{name}" if edit.in_class else name
    return replace(edit, in_function=whole, in_class="")


def _edits(edit: Edit, fixed: Function, before: Function, way: _Way) -> Iterator[Edit]:
    texts = (_text(edit.by, fixed, before, args, first) for args, first in way(fixed.args, before.args))
    return (replace(edit, by=text) for text in texts if not _is_same(text, edit.replace, edit.by))


def _is_open(function: Function) -> bool:
    return ast.dump(function.body[0]) == ast.dump(_DOTS)


def _is_optional(edit: Edit) -> bool:
    """Whether the bug does not need an edit: it takes away, adds or turns what others may want as it is."""
    return not edit.in_function or "(ANY)" in edit.replace or _only_function(edit.replace) is not None


def _is_same(text: str, *others: str) -> bool:
    return ast.dump(ast.parse(text)) in (ast.dump(ast.parse(other)) for other in others)


def _only_function(text: str) -> Function | None:
    """The function that a text spells, if it spells nothing else."""
    body = ast.parse(text).body
    return body[0] if len(body) == 1 and isinstance(body[0], Function) else None


# --- texts of a definition -----------------------------------------------------------------


def _text(by: str, fixed: Function, before: Function, args: ast.arguments, first: Sequence[str]) -> str:
    """The function as it was before, under the name that the fix knows it by, and with these parameters."""
    kept = copy.copy(fixed)
    kept.args = args
    renamed = f"\n{before.name} = {fixed.name}" if before.name != fixed.name else ""
    return f"{_spelt(by, kept, before, first)}{renamed}"


def _spelt(by: str, head: Function, before: Function, first: Sequence[str] = ()) -> str:
    """The head of one function over the body of another, as it is written, and `first` before it."""
    start = before.body[0]
    lines = by.split("\n")
    if start.lineno <= before.lineno or lines[start.lineno - 1][: start.col_offset].strip():
        return _unparsed(head, before.body, first)
    bare = _unparsed(head, [_DOTS], ()).removesuffix("\n    ...")
    own = [" " * start.col_offset + line for line in first]
    at = start.lineno - 1
    while lines[at - 1].lstrip().startswith("#"):  # a comment above the first statement is of the body
        at -= 1
    return "\n".join([bare, *own, *lines[at:]])


def _unparsed(head: Function, body: Sequence[ast.stmt], first: Sequence[str]) -> str:
    whole = copy.copy(head)
    whole.body = [*ast.parse(textwrap.dedent("\n".join(first))).body, *body]
    return ast.unparse(whole)


# --- signatures ----------------------------------------------------------------------------


def _known(fixed: ast.arguments, before: ast.arguments) -> Iterator[_Signature]:
    """The old parameters, the new ones by their old names in the body, and the new ones alone."""
    added, gone = _differ(fixed, before)
    yield before, []
    if added and len(added) == len(gone):
        yield fixed, [f"{old} = {new}" for old, new in zip(gone, added, strict=True)]
    yield fixed, []


def _joined(fixed: ast.arguments, before: ast.arguments) -> Iterator[_Signature]:
    """The parameters of one, and by keyword what the other has more."""
    added, gone = _differ(fixed, before)
    if gone:
        yield _with(fixed, before, gone), []
    if added:
        yield _with(before, fixed, added), []


def _differ(fixed: ast.arguments, before: ast.arguments) -> tuple[list[str], list[str]]:
    """The names of the parameters that the fix added, and of those that it took away."""
    ours, theirs = _named(fixed), _named(before)
    return [name for name in ours if name not in theirs], [name for name in theirs if name not in ours]


def _named(args: ast.arguments) -> dict[str, ast.arg]:
    return {one.arg: one for one in (*args.posonlyargs, *args.args, *args.kwonlyargs)}


def _with(args: ast.arguments, other: ast.arguments, names: Sequence[str]) -> ast.arguments:
    """Parameters, and some of another signature by keyword, with the default they have there or None."""
    found = copy.copy(args)
    known, values = _named(other), _defaults(other)
    found.kwonlyargs = [*args.kwonlyargs, *(known[name] for name in names)]
    found.kw_defaults = [*args.kw_defaults, *(values.get(name, ast.Constant(None)) for name in names)]
    return found


def _defaults(args: ast.arguments) -> dict[str, ast.expr]:
    positional = [*args.posonlyargs, *args.args]
    late = positional[len(positional) - len(args.defaults) :]
    found = {one.arg: value for one, value in zip(late, args.defaults, strict=True)}
    pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    return found | {one.arg: value for one, value in pairs if value is not None}

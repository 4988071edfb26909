"""Syntax edits that turn one version of a module into another, function by function.

Each edit is as narrow as its statement and as wide as it must be to be found exactly once.
"""

from __future__ import annotations

import ast
import copy
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from harness.facts import Edit
from harness.source.symbols import definitions

Function = ast.FunctionDef | ast.AsyncFunctionDef
Unique = Callable[[Edit], bool]
"""Whether what an edit looks for is in the tree exactly once."""


@dataclass(frozen=True)
class Left:
    """A difference that no edit takes back; `function` is where it is, if it is in the body of one."""

    text: str
    function: str | None = None


@dataclass(frozen=True)
class Derived:
    """The edits, and what differs beside them."""

    edits: tuple[Edit, ...]
    left: tuple[Left, ...]


def derive(after: str, before: str, unique: Unique) -> Derived:
    """How to get from the code `after` a fix back to the code `before` it."""
    old, new = _Module(after), _Module(before)
    edits: list[Edit] = []
    left = list(_outside(old, new))
    for key in [key for key in old.functions if key in new.functions]:
        writer = _Writer(key[0], old, new, unique)
        edits += writer.edits(old.functions[key], new.functions[key])
        left += writer.left
    return Derived(tuple(edits), tuple(left))


class _Module:
    """A module's text, syntax and functions; of several of one name each has a number."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.syntax = ast.parse(text)
        self.functions: dict[tuple[str, int], Function] = {}
        for name, node in definitions(self.syntax):
            if isinstance(node, Function):
                number = sum(known == name for known, _ in self.functions)
                self.functions[name, number] = node

    @property
    def outer(self) -> set[tuple[str, int]]:
        """The functions that lie in no other function: an edit cannot add or remove these."""
        names = {name for name, _ in self.functions}
        return {(name, number) for name, number in self.functions if not names & set(_parents(name))}

    def source(self, *nodes: ast.AST) -> str:
        """Statements or an expression as they are written, from the first column on."""
        return "\n".join(map(self._one, nodes))

    def _one(self, node: ast.AST) -> str:
        written = ast.get_source_segment(self.text, node, padded=isinstance(node, ast.stmt)) or ""
        dedented = textwrap.dedent(written).strip("\n")
        # Text in quotes may begin further left, and an `elif` is no statement of its own.
        return dedented if _spells(dedented, node) else ast.unparse(node)


def _spells(text: str, node: ast.AST) -> bool:
    try:
        found: ast.AST = ast.parse(text).body[0]
    except (SyntaxError, IndexError):
        return False
    if isinstance(found, ast.Expr) and isinstance(node, ast.expr):
        found = found.value
    return ast.dump(found) == ast.dump(node)


class _Writer:
    """Writes the edits of one function."""

    def __init__(self, function: str, old: _Module, new: _Module, unique: Unique) -> None:
        self._function = function
        self._old, self._new = old, new
        self._unique = unique
        self.left: list[Left] = []

    def edits(self, old: Function, new: Function) -> list[Edit]:
        """All edits of the function; what cannot be said as one goes to `left`."""
        found = self._defaults(old.args, new.args)
        for statement, instead in _aligned(old.body, new.body):
            written = self._statement(statement, instead)
            if written is None:
                self._leave(f"`{_short(self._old.source(statement))}` is there several times")
            found += written or []
        return found

    def _defaults(self, old: ast.arguments, new: ast.arguments) -> list[Edit]:
        """Edits of default values; any other difference of a signature is told by `_outside`."""
        if _bare(old) != _bare(new):
            return []
        pairs = zip(_default_values(old), _default_values(new), strict=True)
        edits = [self._edit([a], [b]) for a, b in pairs if not _same(a, b)]
        for edit in (edit for edit in edits if not self._unique(edit)):
            self._leave(f"the default {edit.replace} is there several times")
        return [edit for edit in edits if self._unique(edit)]

    def _leave(self, what: str) -> None:
        self.left.append(Left(f"{self._function}: {what}: edit it by hand", self._function))

    def _statement(self, old: ast.stmt, instead: Sequence[ast.stmt]) -> list[Edit] | None:
        """Edits that put these statements in the place of one; None if there is no way."""
        if len(instead) == 1 and (_same(old, instead[0]) or _same_name(old, instead[0])):
            return []
        inner = self._inside(old, instead[0]) if len(instead) == 1 else None
        if inner is not None:
            return inner
        edit = self._edit([old], instead)
        return [edit] if self._unique(edit) else None

    def _inside(self, old: ast.stmt, new: ast.stmt) -> list[Edit] | None:
        """Edits of the parts of a compound statement; None if its parts do not answer each other."""
        if type(old) is not type(new) or not hasattr(old, "body") or isinstance(old, Function):
            return None
        return self._parts(old, new)

    def _parts(self, old: ast.AST, new: ast.AST) -> list[Edit] | None:
        edits: list[Edit] = []
        for name, one in ast.iter_fields(old):
            found = self._part(one, getattr(new, name))
            if found is None:
                return None
            edits += found
        return edits

    def _part(self, old: object, new: object) -> list[Edit] | None:
        if isinstance(old, list) and isinstance(new, list):
            return self._list(old, new)
        if not isinstance(old, ast.AST) or not isinstance(new, ast.AST):
            return [] if old == new else None
        if _same(old, new):
            return []
        if isinstance(old, ast.expr) and isinstance(new, ast.expr):
            edit = self._edit([old], [new])
            return [edit] if self._unique(edit) else None
        return None

    def _list(self, old: list[ast.AST], new: list[ast.AST]) -> list[Edit] | None:
        if _all_statements(old) and _all_statements(new):
            return self._block(old, new)
        if len(old) != len(new):
            return None
        found = [self._item(one, other) for one, other in zip(old, new, strict=True)]
        if any(one is None for one in found):
            return None
        return [edit for one in found for edit in one or []]

    def _item(self, old: ast.AST, new: ast.AST) -> list[Edit] | None:
        """One handler of a `try`, one case of a `match`, one item of a `with`."""
        if isinstance(old, ast.ExceptHandler | ast.match_case | ast.withitem) and type(old) is type(new):
            return self._parts(old, new)
        return self._part(old, new)

    def _block(self, old: list[ast.AST], new: list[ast.AST]) -> list[Edit] | None:
        if not old or not new:
            return [] if not old and not new else None
        edits: list[Edit] = []
        for statement, instead in _aligned(old, new):  # type: ignore[arg-type]
            found = self._statement(statement, instead)
            if found is None:
                return None
            edits += found
        return edits

    def _edit(self, old: Sequence[ast.AST], new: Sequence[ast.AST]) -> Edit:
        return Edit(self._function, self._old.source(*old), self._new.source(*new))


def _parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))


# --- what stands where -----------------------------------------------------------------------


def _aligned(
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


def _same_name(one: ast.stmt, other: ast.stmt) -> bool:
    """Whether both are nested functions of one name: these have edits of their own."""
    return isinstance(one, Function) and isinstance(other, Function) and one.name == other.name


def _same(one: ast.AST, other: ast.AST) -> bool:
    return ast.dump(one) == ast.dump(other)


def _all_statements(nodes: Sequence[object]) -> bool:
    return all(isinstance(node, ast.stmt) for node in nodes)


# --- what no edit can say --------------------------------------------------------------------


def _outside(old: _Module, new: _Module) -> Iterator[Left]:
    """Differences outside of functions, and of functions as a whole."""
    for name, _ in sorted(old.outer - new.outer):
        yield Left(f"the fix added {name}: it stays, and nothing may need it once the edits are undone")
    for name, _ in sorted(new.outer - old.outer):
        yield Left(f"the fix removed {name}: what called it needs another way")
    for key in [key for key in old.functions if key in new.functions]:
        if _head(old.functions[key]) != _head(new.functions[key]):
            yield Left(f"the fix changed the signature or the decorators of {key[0]}: that stays")
    added, removed = _plain(old), _plain(new)
    for where, text in [one for one in added if one not in removed]:
        yield Left(f"the fix has `{_short(text)}` in {where}: it stays")
    for where, text in [one for one in removed if one not in added]:
        yield Left(f"before the fix, {where} had `{_short(text)}`: it does not come back")


def _plain(module: _Module) -> list[tuple[str, str]]:
    """The statements of the module and of its classes, without functions, each with its place."""
    found = definitions(module.syntax)
    classes = [(f"class {name}", node.body) for name, node in found if isinstance(node, ast.ClassDef)]
    blocks = [("the module", module.syntax.body), *classes]
    hollow = [(where, _hollow(node)) for where, body in blocks for node in body]
    return [(where, text) for where, text in hollow if text]


def _hollow(node: ast.stmt) -> str:
    """A statement without the bodies of functions and classes; nothing for a function or a docstring."""
    if isinstance(node, Function) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        return ""
    return ast.unparse(_Hollower().visit(copy.deepcopy(node)))


class _Hollower(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = [ast.Pass()]
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.body = [ast.Pass()]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [ast.Pass()]
        return node


def _head(function: Function) -> str:
    returns = ast.dump(function.returns) if function.returns else ""
    return f"{_bare(function.args)} {returns} {[ast.dump(one) for one in function.decorator_list]}"


def _bare(args: ast.arguments) -> str:
    """A signature's syntax without the values of its defaults, but with their number."""
    own = [args.posonlyargs, args.args, args.kwonlyargs, [one for one in (args.vararg, args.kwarg) if one]]
    names = [[ast.dump(one) for one in group] for group in own]
    return f"{names} {len(args.defaults)} {[value is None for value in args.kw_defaults]}"


def _default_values(args: ast.arguments) -> list[ast.expr]:
    return [*args.defaults, *[value for value in args.kw_defaults if value is not None]]


def _short(text: str, limit: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"

"""The functions that a revert edits: how they are called, and by whom."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from harness.draft.module import Function
from harness.draft.proof import Proven
from harness.draft.searched import Searched
from harness.errors import BadInput
from harness.source.symbols import definitions, find_function, module_name

_CALLERS = 4
"""Callers of one function that are named."""


@dataclass(frozen=True)
class Edited:
    """An edited function: its module, its signature as it is written, and where it is called."""

    module: str
    qualname: str
    node: Function
    callers: tuple[str, ...]
    more: bool = False
    """Whether there are callers beyond those."""

    @property
    def is_constructor(self) -> bool:
        """Whether it is called by the name of its class."""
        return self.qualname.endswith(".__init__")

    @property
    def is_kernel(self) -> bool:
        """Whether Triton compiles it."""
        marks = (ast.unparse(one) for one in self.node.decorator_list)
        return any(re.match(r"(?:\w+\.)*jit\b", mark) for mark in marks)

    @property
    def signature(self) -> str:
        """As Python would show it, in one line."""
        returns = f" -> {ast.unparse(self.node.returns)}" if self.node.returns else ""
        return f"{self.qualname}({ast.unparse(self.node.args)}){returns}"


def edited(proven: Proven) -> tuple[Edited, ...]:
    """Each function that the edits name, once; without those that the tree has several of."""
    names = dict.fromkeys(edit.in_function for edit in proven.edits if edit.in_function)
    found = (_edited(name, proven) for name in names)
    return tuple(one for one in found if one is not None)


def _edited(name: str, proven: Proven) -> Edited | None:
    searched = proven.searched
    sites = [site for site in find_function(proven.tree, name) if site.module in proven.modules]
    if len({site.module for site in sites}) != 1:
        return None
    path = sites[0].path.partition("/")[2]
    node = dict(definitions(_parsed(searched, path))).get(name)
    if not isinstance(node, Function):
        return None
    called = _called_by(name)
    # One more than is named tells whether there are more: to count them all takes seconds.
    found = tuple(islice(_callers(called, searched), _CALLERS + 1)) if called else ()
    return Edited(sites[0].module, name, node, found[:_CALLERS], len(found) > _CALLERS)


def _called_by(name: str) -> str | None:
    """The plain name by which it is called: a constructor by its class; None for what operators call."""
    outer, _, last = name.rpartition(".")
    if last == "__init__":
        return outer.rpartition(".")[2] or None
    return None if last.startswith("__") and last.endswith("__") else last


def _callers(name: str, searched: Searched) -> Iterator[str]:
    """Functions that call something of this name, with module and line: of methods, any object's.

    A file is parsed only if its text seems to have a call, for methods such as `forward` are in hundreds.
    """
    spelt = re.compile(rb"(?<!def )\b%s\s*[\[(]" % re.escape(name).encode())
    for path in searched.containing(name):
        if not spelt.search(searched.source(path)):
            continue
        try:
            syntax = _parsed(searched, path)
        except (SyntaxError, ValueError, BadInput):
            continue
        calls = [one for one in ast.walk(syntax) if isinstance(one, ast.Call) and _called(one) == name]
        for scope, call in _scoped(syntax, calls):
            yield f"{module_name(searched.tree, path)}{f':{scope}' if scope else ''}, line {call.lineno}"


def _scoped(module: ast.Module, calls: Sequence[ast.Call]) -> Iterator[tuple[str, ast.Call]]:
    """Each call with the function that it is in; of a nested function the outermost."""
    if not calls:
        return
    scopes = [(name, node) for name, node in definitions(module) if isinstance(node, Function)]
    for call in calls:
        lines = (name for name, node in scopes if node.lineno <= call.lineno <= (node.end_lineno or 0))
        yield next(lines, ""), call


def _parsed(searched: Searched, path: str) -> ast.Module:
    return ast.parse(searched.source(path))


def _called(call: ast.Call) -> str:
    """The last name of what is called; a kernel is called through its grid."""
    target = call.func.value if isinstance(call.func, ast.Subscript) else call.func
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")

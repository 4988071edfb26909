"""The functions that a revert edits: how they are called, and by whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

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
    more: int = 0

    @property
    def signature(self) -> str:
        """As Python would show it, in one line."""
        returns = f" -> {ast.unparse(self.node.returns)}" if self.node.returns else ""
        return f"{self.qualname}({ast.unparse(self.node.args)}){returns}"


def edited(proven: Proven, searched: Searched) -> tuple[Edited, ...]:
    """Each function that the edits name, once; without those that the tree has several of."""
    names = dict.fromkeys(edit.in_function for edit in proven.edits if edit.in_function)
    found = (_edited(name, proven, searched) for name in names)
    return tuple(one for one in found if one is not None)


def _edited(name: str, proven: Proven, searched: Searched) -> Edited | None:
    sites = [site for site in find_function(proven.tree, name) if site.module in proven.modules]
    if len({site.module for site in sites}) != 1:
        return None
    path = sites[0].path.partition("/")[2]
    node = dict(definitions(_parsed(searched, path))).get(name)
    if not isinstance(node, Function):
        return None
    callers = list(dict.fromkeys(_callers(name.rpartition(".")[2], searched)))
    return Edited(sites[0].module, name, node, tuple(callers[:_CALLERS]), max(len(callers) - _CALLERS, 0))


def _callers(name: str, searched: Searched) -> Iterator[str]:
    """Functions that call something of this name, with module and line: of methods, any object's."""
    for path in searched.containing(name):
        try:
            syntax = _parsed(searched, path)
        except (SyntaxError, ValueError, BadInput):
            continue
        for scope, call in _calls(syntax):
            if _called(call) == name:
                yield f"{module_name(searched.tree, path)}{f':{scope}' if scope else ''}, line {call.lineno}"


def _calls(module: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the function that it is in; of a nested function the outermost."""
    scopes = {name: node for name, node in definitions(module) if isinstance(node, Function)}
    inside: dict[int, str] = {}
    for name, node in scopes.items():
        for one in ast.walk(node):
            inside.setdefault(id(one), name)
    for one in ast.walk(module):
        if isinstance(one, ast.Call):
            yield inside.get(id(one), ""), one


def _parsed(searched: Searched, path: str) -> ast.Module:
    return ast.parse(searched.source(path))


def _called(call: ast.Call) -> str:
    """The last name of what is called; a kernel is called through its grid."""
    target = call.func.value if isinstance(call.func, ast.Subscript) else call.func
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")

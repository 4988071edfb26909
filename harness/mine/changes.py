"""The functions that differ between two versions of a package."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import BadInput
from harness.mine.syntax import syntax
from harness.mine.words import bag, likeness, share
from harness.source.symbols import Scope, definitions, parse

Function = ast.FunctionDef | ast.AsyncFunctionDef
Functions = Mapping[str, tuple[Function, str]]
_SHARE = 0.6
"""The share of its words that a new function has from the one that it was, or was taken out of."""
_SMALLEST = 25
"""Words of a function of which an origin can be told."""


@dataclass(frozen=True)
class Versions:
    """A file's bytes in both versions; None where it is not there. `commit` brought the later one."""

    path: str
    before: bytes | None
    after: bytes | None
    commit: str = ""


@dataclass(frozen=True)
class Changed:
    """A function in both versions. `path` is the later file's, relative to the package.

    `text` is the earlier one as it is written, with its decorators; `old_path` is another where the function
    was moved, and `origin` its old name where it was renamed, or taken out of another one as a `part` of it.
    `commit` brought the change, where a line of commits was looked at.
    """

    path: str
    qualname: str
    before: Function
    after: Function
    text: str
    old_path: str
    commit: str = ""
    origin: str = ""
    part: bool = False

    @property
    def line(self) -> int:
        """Where its `def` stands in the later file, counted from 1."""
        return self.after.lineno

    @property
    def lines(self) -> tuple[int, int]:
        """The first and the last line of the later one with its decorators, counted from 1."""
        return first_line(self.after), self.after.end_lineno or self.after.lineno

    @property
    def moved(self) -> bool:
        return self.path != self.old_path


def changed(files: Iterable[Versions]) -> Iterator[Changed]:
    """Functions of which the syntax differs, and those that were moved to another file and changed.

    A file that is no Python for this interpreter has none.
    """
    gone: dict[str, list[Changed]] = defaultdict(list)
    come: dict[str, list[Changed]] = defaultdict(list)
    for file in files:
        old, new = (_functions(file.path, data) for data in (file.before, file.after))
        for name, (node, text) in new.items():
            if name not in old:
                come[name].append(Changed(file.path, name, node, node, text, file.path, file.commit))
            elif old[name][1] != text and _differ(old[name][0], node):
                yield Changed(file.path, name, old[name][0], node, old[name][1], file.path, file.commit)
        for name in old.keys() - new.keys():
            node, text = old[name]
            gone[name].append(Changed(file.path, name, node, node, text, file.path, file.commit))
        yield from _renamed(file, old, new)
    yield from _moved(gone, come)


def _renamed(file: Versions, old: Functions, new: Functions) -> Iterator[Changed]:
    """New functions that were another's body, or a part of one, in the same file."""
    come = [name for name in new if name not in old]
    if not come or not old:
        return
    bags = {name: bag(node) for name, (node, _) in old.items() if new.get(name, ("", ""))[1] != old[name][1]}
    for name in come:
        node = new[name][0]
        own = bag(node)
        origin = max(bags, key=lambda one: share(own, bags[one]), default=None)
        if origin is None or own.total() < _SMALLEST or share(own, bags[origin]) < _SHARE:
            continue
        before, text = old[origin]
        part = origin in new or likeness(own, bags[origin]) < _SHARE
        if _differ(before, node):
            yield Changed(file.path, name, before, node, text, file.path, file.commit, origin, part)


def _moved(gone: Mapping[str, Sequence[Changed]], come: Mapping[str, Sequence[Changed]]) -> Iterator[Changed]:
    """A function that is gone from one file and new in one other."""
    for name in sorted(gone.keys() & come.keys()):
        if len(gone[name]) == len(come[name]) == 1:
            was, now = gone[name][0], come[name][0]
            if was.path != now.path and was.commit == now.commit and _differ(was.before, now.after):
                yield replace(now, before=was.before, text=was.text, old_path=was.path)


def _differ(one: Function, other: Function) -> bool:
    return syntax(one.args) != syntax(other.args) or list(map(syntax, one.body)) != list(
        map(syntax, other.body)
    )


def _functions(path: str, data: bytes | None) -> Functions:
    """A file's functions and methods by qualified name, with their text; the last of a name counts."""
    if data is None:
        return {}
    try:
        syntax = parse(data, Path(path))
    except BadInput:
        return {}
    lines = data.decode("utf-8", errors="replace").split("\n")
    return {
        name: (node, "\n".join(lines[first_line(node) - 1 : node.end_lineno]))
        for name, node in _outermost(syntax)
        if isinstance(node, Function)
    }


def _outermost(module: ast.Module) -> Iterator[tuple[str, Scope]]:
    """Definitions that no function holds: what is nested belongs to the outer one's change."""
    inside: set[str] = set()
    for name, node in definitions(module):
        outer = name.rpartition(".")[0]
        if outer in inside:
            inside.add(name)
            continue
        if isinstance(node, Function):
            inside.add(name)
        yield name, node


def first_line(node: Function) -> int:
    """Where a definition begins, its decorators with it."""
    return min([node.lineno, *(one.lineno for one in node.decorator_list)])

"""Calls, anywhere in the package, that do not bind without the fix and did with it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from harness.draft.module import Function
from harness.draft.package import Package, imports
from harness.source.bindings import problem
from harness.source.symbols import definitions

_BUILT_IN = (dict, list, set, str, bytes, tuple)
"""What a method may be one of, that nothing in the package defines."""


@dataclass(frozen=True)
class _Changed:
    """A function of the module at `path` that takes other parameters without the fix than with it."""

    path: str
    name: str
    was: Function
    now: Function

    @property
    def called(self) -> str:
        """The last name by which it is called: that of its class for a constructor."""
        owner, _, last = self.name.rpartition(".")
        return owner.rpartition(".")[2] if last == "__init__" else last

    @property
    def is_method(self) -> bool:
        """Whether the object in front of the dot is its first argument."""
        marks = [ast.unparse(one) for one in self.was.decorator_list]
        return "." in self.name and "staticmethod" not in marks

    @property
    def lost(self) -> set[str]:
        return _names(self.was) - _names(self.now)


def unbound(package: Package) -> Iterator[str]:
    """The first such call of each function that a revert changes."""
    for path in package.reverted:
        was, now = (dict(_functions(one)) for one in (package.was(path), package.now(path)))
        for name in [name for name in was if name in now]:
            if ast.dump(was[name].args) != ast.dump(now[name].args):
                yield from _first(package, _Changed(path, name, was[name], now[name]))


def _functions(module: ast.Module) -> Iterator[tuple[str, Function]]:
    return ((name, node) for name, node in definitions(module) if isinstance(node, Function))


def _names(function: Function) -> set[str]:
    args = function.args
    return {one.arg for one in (*args.posonlyargs, *args.args, *args.kwonlyargs)}


def _first(package: Package, changed: _Changed) -> Iterator[str]:
    sole = _is_sole(package, changed)
    told = (
        _told(package, path, call, changed, sole)
        for path in package.searched.containing(changed.called)
        for call in _calls(package, path, changed, sole)
    )
    yield from islice((one for one in told if one), 1)


def _calls(package: Package, path: str, changed: _Changed, sole: bool) -> Iterator[ast.Call]:
    """Calls by the function's last name; a file is parsed only if its text seems to have one that counts."""
    text = package.text(path)
    if not re.search(rb"\b%s\s*[\[(]" % changed.called.encode(), text):
        return
    if not sole and not any(one.encode() in text for one in changed.lost):
        return  # which function is meant is told by what is passed
    for node in ast.walk(package.now(path)):
        # Calls in its own module, by its own name, are told for any revert (harness/source/soundness.py).
        own = path == changed.path and isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if isinstance(node, ast.Call) and not own and _called(node) == changed.called:
            yield node


def _is_sole(package: Package, changed: _Changed) -> bool:
    """Whether nothing else in the package has the name by which it is called."""
    if package.searched.mentioning(changed.called) != (changed.path,):
        return False
    if any(hasattr(kind, changed.called) for kind in _BUILT_IN):
        return False
    here = [name for name, _ in definitions(package.was(changed.path))]
    return sum(name.rpartition(".")[2] == changed.called for name in here) == 1


def _told(package: Package, path: str, call: ast.Call, changed: _Changed, sole: bool) -> str | None:
    where = f"{package.name(path)}, line {call.lineno}"
    given = {one.arg for one in call.keywords if one.arg}
    if given & changed.lost and given <= _names(changed.was) and not changed.now.args.kwarg:
        return f"{where} passes `{min(given & changed.lost)}` to {changed.name}, which takes it no more"
    if not _is_written_out(call) or not (sole or _imports(package, path, changed)):
        return None
    bound = int(
        changed.is_method and (isinstance(call.func, ast.Attribute) or changed.name.endswith("__init__"))
    )
    # An unbound method, called through its class, gets the object as an argument of its own.
    if problem(call, changed.was.args, bound) or not (why := problem(call, changed.now.args, bound)):
        return None
    return f"{where} calls {changed.name} so that it does not bind: it {why}"


def _is_written_out(call: ast.Call) -> bool:
    return all(one.arg for one in call.keywords) and not any(
        isinstance(one, ast.Starred) for one in call.args
    )


def _imports(package: Package, path: str, changed: _Changed) -> bool:
    """Whether a file has the function's plain name from its module."""
    if "." in changed.name and not changed.name.endswith(".__init__"):
        return False
    module = package.name(changed.path)
    return any(
        package.absolute(path, node) == module and any(one.name == changed.called for one in node.names)
        for node in imports(package.now(path))
    )


def _called(call: ast.Call) -> str:
    """The last name of what is called; a kernel is called through its grid."""
    target = call.func.value if isinstance(call.func, ast.Subscript) else call.func
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")

"""Calls within a module whose arguments do not fit the parameters of what they call.

Only what is certain is told: a plain function of the module that nothing decorates or rebinds, a class of
the module by its own `__init__`, and a method that is called on `self` and that the module has once.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Function = ast.FunctionDef | ast.AsyncFunctionDef
# Tuples: they are asked of every node of a module, and a union made anew each time takes longer.
_DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_CAUGHT = (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)


@dataclass(frozen=True)
class Unbound:
    """A call that would raise a TypeError, with what Python would say."""

    line: int
    problem: str


@dataclass(frozen=True)
class _Callee:
    """A function, and how many of its first parameters a caller does not give."""

    name: str
    args: ast.arguments
    bound: int = 0


def unbound_calls(module: ast.Module) -> Iterator[Unbound]:
    """Every call in a module that certainly does not bind."""
    nodes = list(ast.walk(module))  # once: upstream's largest modules have 40,000
    plain, taken = _plain(module, nodes), Counter(_method_names(nodes))
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            yield from _in_class(node, taken)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in plain:
            yield from _problem(node, plain[node.func.id])


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (one for one in ast.walk(node) if isinstance(one, ast.Call))


def _plain(module: ast.Module, nodes: Sequence[ast.AST]) -> Mapping[str, _Callee]:
    """What may be called by its plain name; a name that anything else in the module binds is left out."""
    bound = Counter(_bound_names(nodes))
    found: dict[str, _Callee] = {}
    for node in module.body:
        if isinstance(node, Function) and not node.decorator_list:
            found[node.name] = _Callee(node.name, node.args)
        elif isinstance(node, ast.ClassDef) and (init := _own_init(node)):
            found[node.name] = _Callee(f"{node.name}.__init__", init.args, bound=1)
    return {name: callee for name, callee in found.items() if bound[name] == 1}


def _bound_names(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Every name that some scope of the module binds, as often as it does."""
    for node in nodes:
        if isinstance(node, _DEFINED):
            yield node.name
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, _CAUGHT) and node.name:
            yield node.name


def _own_init(node: ast.ClassDef) -> Function | None:
    """The constructor, where nothing stands between it and a call of the class."""
    own = [one for one in node.body if isinstance(one, Function)]
    inits = [one for one in own if one.name == "__init__"]
    hidden = node.decorator_list or node.keywords or any(one.name == "__new__" for one in own)
    # A base may bring a metaclass or a `__new__` with other parameters.
    return (
        inits[0]
        if len(inits) == 1 and not inits[0].decorator_list and not hidden and not node.bases
        else None
    )


def _in_class(node: ast.ClassDef, taken: Mapping[str, int]) -> Iterator[Unbound]:
    """Calls on `self` of methods that are there once in the module, and that nothing replaces.

    `taken` counts what the module defines under a name or sets on an object.
    """
    methods = {one.name: one for one in node.body if isinstance(one, Function) and taken[one.name] == 1}
    for outer in (one for one in node.body if isinstance(one, Function)):
        for call in _calls(outer):
            if (name := _on_self(call, outer)) in methods and not methods[name].decorator_list:
                yield from _problem(call, _Callee(f"{node.name}.{name}", methods[name].args, bound=1))


def _method_names(nodes: Sequence[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Function):
            yield node.name
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            yield node.attr


def _on_self(call: ast.Call, method: Function) -> str:
    first = next(iter((*method.args.posonlyargs, *method.args.args)), None)
    target = call.func
    if first is None or not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Name):
        return ""
    return target.attr if target.value.id == first.arg and not method.decorator_list else ""


def problem(call: ast.Call, args: ast.arguments, bound: int = 0) -> str | None:
    """Why a call whose arguments are all written out does not bind to parameters, in Python's words.

    `bound` is how many of the first parameters a caller does not give; None if the call binds.
    """
    return _unfit(call, _Callee("", args, bound))


def _problem(call: ast.Call, callee: _Callee) -> Iterator[Unbound]:
    spread = any(isinstance(one, ast.Starred) for one in call.args)
    if not spread and all(one.arg for one in call.keywords) and (told := _unfit(call, callee)):
        yield Unbound(call.lineno, f"{callee.name}() {told}")


def _unfit(call: ast.Call, callee: _Callee) -> str | None:
    """Why arguments that are all written out do not fit, in Python's own words."""
    args = callee.args
    positional = [one.arg for one in (*args.posonlyargs, *args.args)]
    given = callee.bound + len(call.args)
    if given > len(positional) and not args.vararg:
        return f"takes {len(positional)} positional arguments but {given} were given"
    filled = set(positional[:given])
    by_name = {one.arg for one in args.args} | {one.arg for one in args.kwonlyargs}
    for name in (str(one.arg) for one in call.keywords):
        if name in filled:
            return f"got multiple values for argument '{name}'"
        if name not in by_name and not args.kwarg:
            return f"got an unexpected keyword argument '{name}'"
        filled.add(name)
    missing = [name for name in _required(args) if name not in filled]
    return f"missing a required argument: '{missing[0]}'" if missing else None


def _required(args: ast.arguments) -> Iterator[str]:
    positional = [one.arg for one in (*args.posonlyargs, *args.args)]
    yield from positional[: len(positional) - len(args.defaults)]
    pairs = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    yield from (one.arg for one, default in pairs if default is None)

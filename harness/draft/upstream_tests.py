"""What the tests of a patch call: the first form of a case, as a skeleton of its arguments.

The text of a test is upstream's and stays there. What is told is which function is called, and of each
argument its kind: a number as it is, a tensor by dtype and shape.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from harness.draft.functions import Edited
from harness.draft.patch import Change, Patch

_MOST = 4
"""Calls that are told."""
_TENSORS = frozenset(
    ("tensor", "zeros", "ones", "empty", "full", "arange", "randn", "rand", "randint", "linspace")
)


def calls(patch: Patch, functions: Iterable[Edited]) -> tuple[str, ...]:
    """Skeletons of the calls of edited functions in the patch's test files, each once."""
    names = {one.qualname.rpartition(".")[2] for one in functions}
    found = (told for change in patch.changes if _is_test(change) for told in _calls(change, names))
    return tuple(dict.fromkeys(found))[:_MOST]


def _is_test(change: Change) -> bool:
    path = PurePosixPath(change.name)
    return path.suffix == ".py" and (path.name.startswith("test_") or "test" in path.parts)


def _calls(change: Change, names: set[str]) -> Iterator[str]:
    """Those in a test that came whole; of a changed one, in what can be read of its hunks."""
    for block in change.blocks:
        syntax = _readable("".join(block.after))
        for scope in _scopes(syntax) if syntax else ():
            bound = _bound(scope)
            for node in ast.walk(scope):
                if isinstance(node, ast.Call) and _last(node.func) in names:
                    yield f"{_last(node.func)}({', '.join(_arguments(node, bound))})"


def _readable(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def _scopes(module: ast.Module) -> Iterator[ast.AST]:
    """Functions, each with what it binds; the module itself where it has none."""
    found = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    yield from found or (module,)


def _bound(scope: ast.AST) -> dict[str, ast.expr]:
    """What names were last given in a scope."""
    return {
        target.id: node.value
        for node in ast.walk(scope)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _arguments(call: ast.Call, bound: dict[str, ast.expr]) -> Iterator[str]:
    yield from (_told(one, bound) for one in call.args)
    yield from (f"{one.arg or '**'}={_told(one.value, bound)}" for one in call.keywords)


def _told(node: ast.expr, bound: dict[str, ast.expr], depth: int = 0) -> str:
    """The kind of an argument: a number as it is, a tensor by dtype and shape, else dots."""
    if isinstance(node, ast.Name) and node.id in bound and depth < 3:
        return _told(bound[node.id], bound, depth + 1)
    if isinstance(node, ast.Call) and _last(node.func) in _TENSORS:
        return _tensor(node, bound)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and depth < 3:
        return _told(node.func.value, bound, depth + 1)  # x.cuda(), x.to(device): the tensor counts
    number = node.operand if isinstance(node, ast.UnaryOp) else node
    if isinstance(number, ast.Constant) and isinstance(number.value, int | float | None):
        return ast.unparse(node)
    return "…"


def _tensor(call: ast.Call, bound: dict[str, ast.expr]) -> str:
    given = {one.arg: one.value for one in call.keywords}
    dtype = _last(given["dtype"]) if "dtype" in given else ""
    return f"<{' '.join(part for part in ('tensor', dtype, _shape(call, bound)) if part)}>"


def _shape(call: ast.Call, bound: dict[str, ast.expr]) -> str:
    kind, args = _last(call.func), list(call.args)
    if kind == "tensor" and args:
        return " x ".join(map(str, _lengths(args[0])))
    if kind == "randint":
        args = [one for one in args if isinstance(one, ast.Tuple | ast.List)]
    if args and isinstance(args[0], ast.Tuple | ast.List):
        args = list(args[0].elts)
    elif kind in ("arange", "full"):
        args = args[:1]
    return " x ".join(_size(one, bound) for one in args)


def _lengths(node: ast.expr) -> Iterator[int]:
    while isinstance(node, ast.List | ast.Tuple):
        yield len(node.elts)
        if not node.elts:
            return
        node = node.elts[0]


def _size(node: ast.expr, bound: dict[str, ast.expr]) -> str:
    if isinstance(node, ast.Name) and isinstance(bound.get(node.id), ast.Constant):
        node = bound[node.id]
    return ast.unparse(node) if isinstance(node, ast.Constant) else "…"


def _last(node: ast.expr) -> str:
    target = node.value if isinstance(node, ast.Subscript) else node
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")

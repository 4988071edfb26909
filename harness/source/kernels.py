"""Finds Triton kernels in a tree's sources, and reads of their parameters what can be without an import."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import BadInput
from harness.source.symbols import parse
from harness.source.tree import Tree

_FLOATS = re.compile(
    r"tl\.(dot|exp|log|sqrt|rsqrt|sigmoid|float|bfloat|math|sum\(.*float)|float(16|32|8)|bf16|fp8"
)
"""What a kernel that computes with floats mentions."""
_SWITCH = re.compile(r"(?i)(is|has|use|enable|need|with|apply|do|support)_|.*(_is_|_dtype_is)")
_ACCESS = re.compile(r"tl\.(load|store|atomic_)")


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel as its source shows it: which parameters are pointers, and which are constants.

    `constants` have guessed values: switches are on, sizes small powers of two.
    """

    module: str
    name: str
    pointers: tuple[str, ...]
    constants: Mapping[str, Any]
    parameters: tuple[str, ...]


def modules(tree: Tree) -> list[str]:
    """The tree's modules that hold a Triton kernel, in order of name."""
    found = (path for path in tree.files() if path.endswith(".py") and b"triton.jit" in tree.read(path))
    return sorted(".".join((tree.package, *path.removesuffix(".py").split("/"))) for path in found)


def integer_kernels(tree: Tree, among: Sequence[str], left_out: Counter[str]) -> Iterator[Kernel]:
    """The kernels of these modules that handle integers alone; the others are counted by reason."""
    for module in among:
        path = f"{'/'.join(module.split('.')[1:])}.py"
        data = tree.read(path)
        try:
            syntax = parse(data, tree.folder / path)
        except BadInput as error:
            left_out[str(error)] += 1
            continue
        source = data.decode("utf-8", errors="replace")
        for node in ast.walk(syntax):
            if isinstance(node, ast.FunctionDef) and _is_jit(node):
                kernel = _kernel(module, node)
                reason = _unfit(ast.get_source_segment(source, node) or "", kernel)
                if reason:
                    left_out[reason] += 1
                else:
                    yield kernel


def _is_jit(node: ast.FunctionDef) -> bool:
    return any("triton.jit" in ast.unparse(decorator) for decorator in node.decorator_list)


def _unfit(text: str, kernel: Kernel) -> str | None:
    if _FLOATS.search(text):
        return "computes with floats"
    if "tl.store" not in text:
        return "stores nothing itself"
    return None if kernel.pointers else "takes no pointer that can be told"


def _kernel(module: str, node: ast.FunctionDef) -> Kernel:
    arguments = [*node.args.args, *node.args.kwonlyargs]
    names = tuple(argument.arg for argument in arguments)
    constants = {
        argument.arg: _guessed(argument.arg)
        for argument in arguments
        if argument.annotation and "constexpr" in ast.unparse(argument.annotation)
    }
    pointers = _pointers(node, set(names) - set(constants))
    return Kernel(module=module, name=node.name, pointers=pointers, constants=constants, parameters=names)


def _guessed(constant: str) -> int | bool:
    return True if _SWITCH.match(constant) else 16


def _pointers(node: ast.FunctionDef, parameters: set[str]) -> tuple[str, ...]:
    """Parameters that loads and stores are derived from: the leftmost name of each address."""
    origins = _origins(node)
    found: dict[str, None] = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Call) and child.args and _ACCESS.match(ast.unparse(child.func)):
            name = _leftmost(child.args[0])
            for _ in range(len(origins)):
                name = origins.get(name, name) if name and name not in parameters else name
            if name in parameters:
                found[str(name)] = None
    return tuple(found)


def _origins(node: ast.FunctionDef) -> dict[str, str]:
    """For each local name, the name that its first value was derived from."""
    origins: dict[str, str] = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
            base = _leftmost(child.value)
            if base and base != child.targets[0].id:
                origins.setdefault(child.targets[0].id, base)
    return origins


def _leftmost(node: ast.expr) -> str | None:
    while isinstance(node, ast.BinOp):
        node = node.left
    return node.id if isinstance(node, ast.Name) else None

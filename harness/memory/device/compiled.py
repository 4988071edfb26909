"""Puts index checks into what torch.compile makes: it keeps no tensor that a red zone could lie behind.

A compiled scatter works on a dense copy of its target and writes that back, so that a stray index
lands in the next row of the copy. Its own index assertions, if it has them, end the process instead.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch._inductor.config as compiler
from torch._inductor.custom_graph_pass import CustomGraphPass
from torch.fx import Graph, Node

from harness.memory import hardware
from harness.memory.device.indices import NAMESPACE, OPERATION

PATCH = "torch._inductor.config.post_grad_custom_pre_pass: index checks before operations that index"
_FRAME = re.compile(
    r'^  File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+)\n    (?P<code>.+)', re.M
)


@dataclass(frozen=True)
class Indexed:
    """One index tensor of an operation in a graph, and the dimension of the target that it indexes.

    `along` is the dimension of the index itself that runs along it; `wraps` as in `memory.indexing`.
    """

    target: Node
    dim: int
    index: Node
    along: int = 0
    wraps: bool = False


def _by_dim(args: Sequence[Any], wraps: bool = False) -> list[Indexed]:
    target, dim, index = args[:3]
    rank = _value(target).dim()
    along = dim % rank if _value(index).dim() == rank else 0
    return [Indexed(target, dim % rank, index, along, wraps)] if rank else []


def _advanced(args: Sequence[Any]) -> list[Indexed]:
    found, dim = [], 0
    for index in args[1]:
        mask = index is not None and _value(index).dtype in (torch.bool, torch.uint8)
        if index is not None and not mask:
            found.append(Indexed(args[0], dim, index, wraps=True))
        dim += _value(index).dim() if mask else 1
    return found


def _rows(args: Sequence[Any]) -> list[Indexed]:
    return [Indexed(args[0], 0, args[1])]


_READERS: Mapping[str, Callable[[Sequence[Any]], list[Indexed]]] = {
    **dict.fromkeys(("gather", "scatter", "scatter_add", "scatter_reduce", "index_select"), _by_dim),
    **dict.fromkeys(("index_copy", "index_add", "index_reduce"), _by_dim),
    "index_fill": lambda args: _by_dim(args, wraps=True),
    **dict.fromkeys(("index", "index_put", "_unsafe_index", "_unsafe_index_put"), _advanced),
    "embedding": _rows,
}
"""By the operation's name in torch's `aten`, as it stands in a graph that the compiler has unrolled."""


def _value(node: Node) -> torch.Tensor:
    value: torch.Tensor = node.meta["val"]
    return value


@dataclass(frozen=True)
class Said:
    """What the source says of an operation: the variable it indexes, its own name, and its place."""

    buffer: str | None
    op: str
    place: str


def said(trace: str, root: str, op: str) -> Said | None:
    """Read the innermost line of a node's stack trace; None if that is no code under `root`."""
    frames = list(_FRAME.finditer(trace))
    if not frames or not frames[-1]["file"].startswith(root):
        return None
    frame = frames[-1]
    buffer, method = _indexed_in(frame["code"], op)
    return Said(buffer, method or op, f"{frame['function']}:{frame['line']}")


def _indexed_in(code: str, op: str) -> tuple[str | None, str | None]:
    """The variable that a line of source indexes by `op`, and the method it does it by."""
    try:
        tree = ast.parse(code.strip())
    except SyntaxError:  # one line of a longer statement
        return None, None
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr.removesuffix(hardware.IN_PLACE) == op:
            return _name(call.func.value), call.func.attr
    subscripts = [node for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    if op in ("index", "index_put") and subscripts:
        return _name(subscripts[0].value), None
    return None, None


def _name(node: ast.expr) -> str | None:
    """The last name of what an expression starts with: `page_table` of `self.page_table[:n]`."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


class IndexChecks(CustomGraphPass):
    """A pass of the compiler's: a check before every operation of code under `root` that indexes.

    `covers` says of the name of a variable whether it is wanted.
    """

    def __init__(self, root: str, covers: Callable[[str | None], bool], identity: str) -> None:
        self._root = root.rstrip(os.sep) + os.sep
        self._covers = covers
        self._identity = identity
        self.inserted = 0

    def __call__(self, graph: Graph) -> None:
        for node in list(graph.nodes):
            if isinstance(node.target, torch._ops.OpOverload) and node.target.namespace == "aten":
                self._check(graph, node, node.target.overloadpacket.__name__)

    def _check(self, graph: Graph, node: Node, op: str) -> None:
        reader = _READERS.get(op)
        told = said(node.meta.get("stack_trace") or "", self._root, op) if reader else None
        if reader is None or told is None or not self._covers(told.buffer):
            return
        with graph.inserting_before(node):
            for one in reader(node.args):
                self._insert(graph, one, told, node)

    def _insert(self, graph: Graph, one: Indexed, told: Said, node: Node) -> None:
        extent = _value(one.target).shape[one.dim]
        size: Any = extent
        if not isinstance(extent, int):
            size = graph.call_function(torch.ops.aten.sym_size.int, (one.target, one.dim))
            size.meta["val"] = extent
        operation = getattr(getattr(torch.ops, NAMESPACE), OPERATION).default
        args = (one.index, one.along, one.wraps, size, told.buffer, told.op, told.place)
        check = graph.call_function(operation, args)
        check.meta.update(val=None, stack_trace=node.meta.get("stack_trace"))
        self.inserted += 1

    def uuid(self) -> str:
        """What the compiler's caches tell one set of checks from another by."""
        with open(__file__, "rb") as file:
            return hashlib.sha256(file.read() + f"{self._root} {self._identity}".encode()).hexdigest()


@contextmanager
def checked(checks: IndexChecks, assertions: bool = True) -> Iterator[None]:
    """Have all that is compiled in this process while the block runs checked.

    Without `assertions` it is compiled as by a build that has none of the compiler's own.
    """
    with compiler.patch(
        post_grad_custom_pre_pass=checks,
        assert_indirect_indexing=assertions and compiler.assert_indirect_indexing,
    ):
        yield

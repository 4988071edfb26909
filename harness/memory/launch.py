"""A kernel launch of Triton's interpreter: its tensors, what was touched of them, its event in a trace."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
from triton.runtime import interpreter
from triton.tools.tensor_descriptor import TensorDescriptor

from harness.memory.live import LiveTensors
from harness.memory.names import names_of
from harness.memory.stores import Written
from harness.memory.unwritten import Unwritten
from harness.memory.windows import Argument, Window


class OfAllocations(interpreter.GridExecutor):  # type: ignore[misc]
    """A launch that knows its tensors by addresses alone: each may reach all of the allocation it lies in."""


@dataclass
class Launch:
    """A kernel launch while it runs, asked for in `frame`.

    `arguments` grow by the tensors that are found through tables of addresses. `written` takes what is stored
    (None: nobody asks); `turned` says that programs, and the lanes of a store, go in the other direction.
    """

    kernel: str
    file: str
    grid: list[int]
    scalars: dict[str, Any]
    arguments: list[Argument]
    frame: FrameType
    converted: int = 0
    live: LiveTensors | None = None
    written: Written | None = None
    turned: bool = False

    def __post_init__(self) -> None:
        self.given = len(self.arguments)
        self.by_address: dict[int, Window | None] = {}
        self.unwritten: list[Unwritten] = []
        self.forgotten: list[Argument] = []

    def place(self) -> str:
        """The kernel and its line that is running: its frame is the innermost from the kernel's file."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename != self.file:
            frame = frame.f_back
        return f"{self.kernel}:{frame.f_lineno if frame else 0}"

    @property
    def dims(self) -> tuple[int, int, int]:
        """Programs along each axis of the grid."""
        x, y, z = (*self.grid, 1, 1, 1)[:3]
        return x, y, z

    @property
    def programs(self) -> int:
        """How many there are."""
        return math.prod(self.dims)

    def number(self, place: tuple[int, int, int]) -> int:
        """Which program this is in the order in which they run one after another."""
        return (place[0] * self.dims[1] + place[1]) * self.dims[2] + place[2]

    def place_of(self, number: int) -> tuple[int, int, int]:
        """Where in the grid the program of this number is."""
        rest, z = divmod(number, self.dims[2])
        return (*divmod(rest, self.dims[1]), z)

    def found_in_order(self, addresses: Sequence[int]) -> None:
        """Put what was found through tables of addresses in the order of these, and forget all else."""
        windows = (self.by_address.get(address) for address in addresses)
        found = {id(window.argument): window.argument for window in windows if window is not None}
        self.forgotten += [one for one in self.arguments[self.given :] if id(one) not in found]
        self.arguments[self.given :] = found.values()

    def forget_found(self) -> None:
        """Know nothing of what was found through tables of addresses."""
        self.found_in_order([])
        self.by_address.clear()

    def event(self) -> dict[str, Any]:
        reached = self.arguments[self.given :]
        event: dict[str, Any] = {
            "event": "launch",
            "kernel": self.kernel,
            "grid": self.grid,
            "scalars": self.scalars,
            "args": {argument.name: argument.facts() for argument in self.arguments[: self.given]},
        }
        return event | ({"reached": [argument.facts() for argument in reached]} if reached else {})


def opened(executor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Launch:
    """The launch that an executor was called for by the caller of this function's caller's caller."""
    known = inspect.getfullargspec(executor.fn).args
    bound = inspect.getcallargs(executor.fn, *args, **{k: v for k, v in kwargs.items() if k in known})
    given = [
        pair
        for name, value in bound.items()
        if name not in executor.constexprs
        for pair in _tensors(name, value)
    ]
    frame = sys._getframe(3)
    names = names_of([tensor for _, tensor in given], frame)
    pairs = zip(given, names, strict=True)
    whole = isinstance(executor, OfAllocations)
    arguments = [Argument(name, tensor, found or name, whole=whole) for (name, tensor), found in pairs]
    scalars = {name: value for name, value in bound.items() if isinstance(value, bool | int | float | str)}
    grid = executor.grid(bound) if callable(executor.grid) else executor.grid
    code = executor.fn.__code__
    return Launch(executor.fn.__name__, code.co_filename, [int(n) for n in grid], scalars, arguments, frame)


def _tensors(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in an argument, in the order in which the interpreter converts them."""
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _tensors(f"{name}[{index}]", item)
    elif isinstance(value, TensorDescriptor):
        yield from _tensors(name, value.base)
    elif hasattr(value, "data_ptr"):
        yield name, value if isinstance(value, torch.Tensor) else value.base

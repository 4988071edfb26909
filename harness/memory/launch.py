"""A kernel launch of Triton's interpreter: its tensors, what was touched of them, its event in a trace."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import FrameType
from typing import Any

import torch
from triton.runtime import interpreter
from triton.tools.tensor_descriptor import TensorDescriptor

from harness.memory.live import LiveTensors
from harness.memory.modes import unheeded
from harness.memory.names import Bindings
from harness.memory.stores import Written
from harness.memory.unwritten import Unwritten
from harness.memory.windows import Argument, Window

Kernel = Callable[..., Any]
_SCALARS = (bool, int, float, str)


class OfAllocations(interpreter.GridExecutor):  # type: ignore[misc]
    """A launch that knows its tensors by addresses alone: each may reach all of the allocation it lies in."""


@dataclass
class Launch:
    """A kernel launch while it runs; `bindings` are those of the code that asked for it.

    `arguments` grow by the tensors that are found through tables of addresses. `on_cpu` says whether all that
    it was given lies in the CPU's memory. `written` takes what is stored
    (None: nobody asks); `turned` says that programs, and the lanes of a store, go in the other direction.
    """

    kernel: str
    file: str
    grid: list[int]
    scalars: dict[str, Any]
    arguments: list[Argument]
    bindings: Bindings
    converted: int = 0
    live: LiveTensors | None = None
    written: Written | None = None
    turned: bool = False

    def __post_init__(self) -> None:
        self.given = len(self.arguments)
        self.on_cpu = all(argument.tensor.is_cpu for argument in self.arguments)
        self.by_address: dict[int, Window | None] = {}
        self.unwritten: dict[int, Unwritten] = {}  # by the id of the argument that holds it
        self.forgotten: list[Argument] = []

    def place(self) -> str:
        """The kernel and its line that is running."""
        return self.at(self.line())

    def at(self, line: int) -> str:
        """The kernel and a line of it."""
        return f"{self.kernel}:{line}"

    def line(self) -> int:
        """The kernel's line that is running: its frame is the innermost from the kernel's file."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename != self.file:
            frame = frame.f_back
        return frame.f_lineno if frame else 0

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
        with unheeded():
            told = [argument.facts() for argument in self.arguments]
        args = zip((argument.name for argument in self.arguments), told[: self.given], strict=False)
        event: dict[str, Any] = {
            "event": "launch",
            "kernel": self.kernel,
            "grid": self.grid,
            "scalars": self.scalars,
            "args": dict(args),
        }
        return event | ({"reached": told[self.given :]} if self.given < len(told) else {})


def opened(executor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Launch:
    """The launch that an executor was called for by the caller of this function's caller's caller."""
    bound = _bound(executor.fn, args, kwargs)
    given = [
        pair
        for name, value in bound.items()
        if name not in executor.constexprs
        for pair in _tensors(name, value)
    ]
    bindings, whole = Bindings(sys._getframe(3)), isinstance(executor, OfAllocations)
    arguments = [
        Argument(name, tensor, bindings.name_of(tensor) or name, whole=whole) for name, tensor in given
    ]
    scalars = {name: value for name, value in bound.items() if isinstance(value, _SCALARS)}
    grid = executor.grid(bound) if callable(executor.grid) else executor.grid
    code = executor.fn.__code__
    size = [int(n) for n in grid]
    return Launch(executor.fn.__name__, code.co_filename, size, scalars, arguments, bindings)


@lru_cache(maxsize=256)
def _parameters(kernel: Kernel) -> inspect.FullArgSpec:
    return inspect.getfullargspec(kernel)


def _bound(kernel: Kernel, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """As `inspect.getcallargs`, in its order, of those keywords that the kernel knows.

    The interpreter asks for the same, and goes by that order.
    """
    asked = _parameters(kernel)
    named = {name: value for name, value in kwargs.items() if name in asked.args}
    bound = {**dict(zip(asked.args, args, strict=False)), **named}
    fits = len(bound) == len(args) + len(named)
    defaults = asked.defaults or ()
    last = asked.args[len(asked.args) - len(defaults) :]
    bound |= {name: value for name, value in zip(last, defaults, strict=True) if name not in bound}
    if fits and len(bound) == len(asked.args) and not (asked.varargs or asked.varkw or asked.kwonlyargs):
        return bound
    return inspect.getcallargs(kernel, *args, **named)


class Signatures:
    """The interpreter's `inspect`: it asks for a kernel's signature twice at each launch."""

    getfullargspec = staticmethod(_parameters)

    @staticmethod
    def getcallargs(kernel: Kernel, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return _bound(kernel, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(inspect, name)


_executors: dict[Kernel, dict[str, Any]] = {}


def remembering(original: Callable[..., None]) -> Callable[..., None]:
    """`GridExecutor.__init__`, which looks through a kernel's annotations once and not at each launch."""

    def __init__(self: Any, fn: Kernel, arg_names: list[str], grid: Any, *rest: Any, **named: Any) -> None:
        known = _executors.get(fn)
        if known is None or known["arg_names"] is not arg_names or named or len(rest) != 1:
            original(self, fn, arg_names, grid, *rest, **named)
            _executors[fn] = {name: value for name, value in vars(self).items() if name not in _OF_LAUNCHES}
            return
        self.__dict__.update(known, grid=grid, pre_run_hooks=rest[0])

    return __init__


_OF_LAUNCHES = ("grid", "pre_run_hooks")


def _tensors(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in an argument, in the order in which the interpreter converts them."""
    if isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _tensors(f"{name}[{index}]", item)
    elif isinstance(value, TensorDescriptor):
        yield from _tensors(name, value.base)
    elif hasattr(value, "data_ptr"):
        yield name, value if isinstance(value, torch.Tensor) else value.base

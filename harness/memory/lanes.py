"""Checks every lane of every Triton memory access in the interpreter, by provenance.

Each tensor argument of a launch is handed to the kernel as an address in a window of its own,
far above anything a process can map. Pointer arithmetic carries the window along, so an access
says by itself which argument it was derived from and how far it strayed, and no other
allocation can be hit by accident. Only accesses inside the argument reach real memory.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.runtime import interpreter

from harness.errors import Unresolved
from harness.memory.names import name_of
from harness.memory.strays import Elements, Strays, Where
from harness.memory.summary import summarize
from harness.observation import Fault

WINDOW_BITS = 48
"""User space ends at 2**47, so bit 48 and up can hold the number of the argument."""
_MIDDLE = 1 << (WINDOW_BITS - 1)
_KEPT_ALIGNMENT = 4096

PATCHES = (
    "triton.runtime.interpreter.GridExecutor.__call__",
    "triton.runtime.interpreter._implicit_cvt",
    "triton.runtime.interpreter.InterpreterBuilder.create_masked_load",
    "triton.runtime.interpreter.InterpreterBuilder.create_masked_store",
    "triton.runtime.interpreter.InterpreterBuilder.create_atomic_rmw",
    "triton.runtime.interpreter.InterpreterBuilder.create_atomic_cas",
)


def poison(dtype: np.dtype[Any]) -> Any:
    """What a stray load reads: NaN, or an integer that no index or length could be."""
    if dtype.kind == "f":
        return np.nan
    if dtype.kind == "b":
        return True
    return np.frombuffer(b"\xad\xde\xad\xde\xad\xde\xad\x5e"[8 - dtype.itemsize :], dtype=dtype)[0]


@dataclass
class Extent:
    """First and last element touched; empty until something was."""

    first: int | None = None
    last: int | None = None

    def include(self, low: int, high: int) -> None:
        self.first = low if self.first is None else min(self.first, low)
        self.last = high if self.last is None else max(self.last, high)


@dataclass
class Argument:
    """One tensor argument of a launch and its window."""

    name: str
    tensor: torch.Tensor
    buffer: str
    window: int
    read: Extent = field(default_factory=Extent)
    written: Extent = field(default_factory=Extent)

    def __post_init__(self) -> None:
        self.itemsize = self.tensor.element_size()
        self.real = self.tensor.data_ptr()
        self.base = (self.window << WINDOW_BITS) + _MIDDLE + self.real % _KEPT_ALIGNMENT
        sizes = zip(self.tensor.shape, self.tensor.stride(), strict=True)
        self.numel = sum((size - 1) * stride for size, stride in sizes) + 1 if self.tensor.numel() else 0

    def facts(self) -> dict[str, Any]:
        described = {"buffer": self.buffer, "dtype": str(self.tensor.dtype).removeprefix("torch."), "shape": list(self.tensor.shape)}
        if self.read.first is not None:
            described["read"] = [self.read.first, self.read.last]
        if self.written.first is not None and self.written.last is not None:
            described["written"] = [self.written.first, self.written.last]
            span = torch.as_strided(self.tensor, (self.written.last - self.written.first + 1,), (1,), self.tensor.storage_offset() + self.written.first)
            described["wrote"] = {k: v for k, v in summarize(span).items() if k in ("values", "sha256", "summary")}
        return described


@dataclass
class Launch:
    """A kernel launch while it runs."""

    kernel: str
    file: str
    grid: list[int]
    scalars: dict[str, Any]
    arguments: list[Argument]

    def event(self) -> dict[str, Any]:
        return {
            "event": "launch",
            "kernel": self.kernel,
            "grid": self.grid,
            "scalars": self.scalars,
            "args": {argument.name: argument.facts() for argument in self.arguments},
        }


class Lanes:
    """The lane checker of one run. `events` takes the launches, `strays` the faults."""

    def __init__(self, strays: Strays, events: list[dict[str, Any]], entered: Callable[[str], None]) -> None:
        self._strays = strays
        self._events = events
        self._entered = entered
        self._launch: Launch | None = None
        self._next = 0

    # --- launches --------------------------------------------------------------------------

    def run(self, call: Callable[..., Any], executor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run one launch with its arguments in windows, then record what it touched."""
        outer = self._launch, self._next
        self._launch, self._next = self._open(executor, args, kwargs), 0
        self._entered(self._launch.kernel)
        try:
            return call(executor, *args, **kwargs)
        finally:
            self._events.append(self._launch.event())
            self._launch, self._next = outer

    def _open(self, executor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Launch:
        known = inspect.getfullargspec(executor.fn).args
        bound = inspect.getcallargs(executor.fn, *args, **{k: v for k, v in kwargs.items() if k in known})
        frame = sys._getframe(3)
        tensors = [(name, value) for name, value in _flatten(bound, executor.constexprs) if hasattr(value, "data_ptr")]
        arguments = [
            Argument(name, value, name_of(value, frame) or name, index + 1)
            for index, (name, value) in enumerate(tensors)
        ]
        scalars = {name: value for name, value in bound.items() if isinstance(value, bool | int | float | str)}
        grid = executor.grid(bound) if callable(executor.grid) else executor.grid
        return Launch(executor.fn.__name__, executor.fn.__code__.co_filename, [int(n) for n in grid], scalars, arguments)

    def convert(self, original: Callable[[Any], Any], value: Any) -> Any:
        """The kernel-side value of an argument: tensors become addresses in their window."""
        if self._launch is None or not hasattr(value, "data_ptr"):
            return original(value)
        argument = self._launch.arguments[self._next]
        self._next += 1
        if argument.real != value.data_ptr():
            raise Unresolved(f"{self._launch.kernel}: argument {argument.name} is not where its launch said")
        converted = original(value)
        converted.handle.data = np.array([argument.base], dtype=np.uint64)
        return converted

    # --- accesses --------------------------------------------------------------------------

    def resolve(self, pointers: np.ndarray[Any, Any], active: np.ndarray[Any, Any], kind: str) -> tuple[Any, Any]:
        """Real addresses, and the active lanes that lie inside their argument."""
        real, inside = pointers.copy(), active.copy()
        for window in np.unique(pointers >> np.uint64(WINDOW_BITS)):
            if window == 0:
                continue
            lanes = active & (pointers >> np.uint64(WINDOW_BITS) == window)
            self._resolve_window(int(window), pointers, lanes, real, inside, kind)
        return real, inside

    def _resolve_window(self, window: int, pointers: Any, lanes: Any, real: Any, inside: Any, kind: str) -> None:
        assert self._launch is not None
        argument = self._launch.arguments[window - 1] if window <= len(self._launch.arguments) else None
        if argument is None:
            raise Unresolved(f"{self._launch.kernel}: a pointer left every argument's window")
        offsets = (pointers[lanes] - np.uint64(argument.base)).astype(np.int64)
        if not offsets.size:
            return
        elements = offsets // argument.itemsize
        low, high = int(elements.min()), int(elements.max())
        real[lanes] = offsets.astype(np.uint64) + np.uint64(argument.real)
        if low < 0 or high >= argument.numel:
            inside[lanes] = self._report(argument, elements, kind)
            elements = elements[(elements >= 0) & (elements < argument.numel)]
            if not elements.size:
                return
            low, high = int(elements.min()), int(elements.max())
        (argument.read if kind == "oob-read" else argument.written).include(low, high)

    def _report(self, argument: Argument, elements: Elements, kind: str) -> Any:
        assert self._launch is not None
        good = (elements >= 0) & (elements < argument.numel)
        fault = Fault(kind=kind, buffer=argument.buffer, kernel=self._launch.kernel, numel=argument.numel)
        where = Where(f"{self._launch.kernel}:{self._line()}, argument {argument.name}", interpreter.interpreter_builder.grid_idx)
        self._strays.access(fault, elements[~good], where)
        return good

    def _line(self) -> int:
        """The line of the kernel that is running: its frame is the one from the kernel's file."""
        frame = sys._getframe(1)
        while frame is not None:
            if self._launch and frame.f_code.co_filename == self._launch.file:
                return frame.f_lineno
            frame = frame.f_back  # type: ignore[assignment]
        return 0


def _flatten(bound: dict[str, Any], constexprs: list[str]) -> Iterator[tuple[str, Any]]:
    for name, value in bound.items():
        if name in constexprs:
            continue
        if isinstance(value, tuple):
            yield from ((f"{name}[{index}]", item) for index, item in enumerate(value))
        else:
            yield name, value


def _mask(mask: Any, shape: tuple[int, ...]) -> Any:
    data = mask if isinstance(mask, np.ndarray) else mask.data
    return np.broadcast_to(np.asarray(data, dtype=bool), shape)


@contextmanager
def checked(lanes: Lanes) -> Iterator[None]:
    """Patch the interpreter of this process for as long as the block runs."""
    builder, executor = interpreter.InterpreterBuilder, interpreter.GridExecutor
    original = {
        (executor, "__call__"): executor.__call__,
        (interpreter, "_implicit_cvt"): interpreter._implicit_cvt,
        (builder, "create_masked_load"): builder.create_masked_load,
        (builder, "create_masked_store"): builder.create_masked_store,
        (builder, "create_atomic_rmw"): builder.create_atomic_rmw,
        (builder, "create_atomic_cas"): builder.create_atomic_cas,
    }
    raw_call, raw_convert, raw_load, raw_store, raw_rmw, raw_cas = original.values()
    handle = interpreter.TensorHandle

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return lanes.run(raw_call, self, args, kwargs)

    def load(self: Any, ptrs: Any, mask: Any, other: Any, *rest: Any, **named: Any) -> Any:
        active = _mask(mask, ptrs.data.shape)
        real, inside = lanes.resolve(ptrs.data, active, "oob-read")
        value = raw_load(self, handle(real, ptrs.dtype), handle(inside, tl.int1), other, *rest, **named)
        stray = active & ~inside
        if stray.any():
            value.data[stray] = poison(value.data.dtype)
        return value

    def store(self: Any, ptrs: Any, value: Any, mask: Any, *rest: Any, **named: Any) -> Any:
        real, inside = lanes.resolve(ptrs.data, _mask(mask, ptrs.data.shape), "oob-write")
        return raw_store(self, handle(real, ptrs.dtype), value, handle(inside, tl.int1), *rest, **named)

    def rmw(self: Any, op: Any, ptr: Any, value: Any, mask: Any, *rest: Any) -> Any:
        real, inside = lanes.resolve(ptr.data, _mask(mask, ptr.data.shape), "oob-write")
        return raw_rmw(self, op, handle(real, ptr.dtype), value, handle(inside, tl.int1), *rest)

    def cas(self: Any, ptr: Any, expected: Any, value: Any, *rest: Any) -> Any:
        # compare-and-swap has no mask, so stray lanes are sent to a scratch word instead
        real, inside = lanes.resolve(ptr.data, np.ones(ptr.data.shape, dtype=bool), "oob-write")
        scratch = np.zeros(1, dtype=np.uint64)
        real[~inside] = scratch.ctypes.data
        return raw_cas(self, handle(real, ptr.dtype), expected, value, *rest)

    replacements = (call, lambda value: lanes.convert(raw_convert, value), load, store, rmw, cas)
    for (owner, name), replacement in zip(original, replacements, strict=True):
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        for (owner, name), function in original.items():
            setattr(owner, name, function)

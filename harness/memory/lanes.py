"""Checks every lane of every Triton memory access in the interpreter, by provenance.

Each tensor of a launch is handed to the kernel as an address in a window of its own (see
`windows`). Only accesses inside the tensor that an address was derived from reach real memory:
stray loads read poison, stray stores are dropped, and both are reported.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.runtime import interpreter
from triton.tools.tensor_descriptor import TensorDescriptor

from harness.errors import Runaway, Unresolved
from harness.memory.journal import Journal
from harness.memory.live import LiveTensors
from harness.memory.names import names_of
from harness.memory.poison import Poison
from harness.memory.reads import Reads
from harness.memory.stores import Stores, Written
from harness.memory.unwritten import Unwritten, among
from harness.memory.violations import Violations, Where
from harness.memory.windows import FAR_BITS, Addresses, Argument, Lanes, Offsets, Window, Windows
from harness.observation import Fault

ASTRAY = 4096
"""So many accesses of one program in a row without a lane inside: a loop over a bound that is poison."""
UNKNOWN = "an address that was derived from no argument and no live tensor"

_BUILDER = interpreter.InterpreterBuilder
_PATCHED: tuple[tuple[str, Any, str], ...] = (
    ("GridExecutor", interpreter.GridExecutor, "__call__"),
    ("", interpreter, "_implicit_cvt"),
    ("InterpreterBuilder", _BUILDER, "create_addptr"),
    ("InterpreterBuilder", _BUILDER, "create_int_to_ptr"),
    ("InterpreterBuilder", _BUILDER, "create_masked_load"),
    ("InterpreterBuilder", _BUILDER, "create_masked_store"),
    ("InterpreterBuilder", _BUILDER, "create_atomic_rmw"),
    ("InterpreterBuilder", _BUILDER, "create_atomic_cas"),
    ("InterpreterBuilder", _BUILDER, "set_grid_idx"),
    ("interpreter_builder", interpreter.interpreter_builder, "options"),
)
_ORIGINALS = tuple(getattr(owner, name) for _, owner, name in _PATCHED)
PATCHES = tuple(
    ".".join(filter(None, ("triton.runtime.interpreter", owner, name))) for owner, _, name in _PATCHED
)


class OfAllocations(interpreter.GridExecutor):  # type: ignore[misc]
    """A launch that knows its tensors by addresses alone: each may reach all of the allocation it lies in."""


@dataclass
class Launch:
    """A kernel launch while it runs, asked for in `frame`.

    `arguments` grow by the tensors that are found through tables of addresses.
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

    def __post_init__(self) -> None:
        self.given = len(self.arguments)
        self.astray = 0
        self.program: tuple[int, int, int] | None = None
        self.by_address: dict[int, Window | None] = {}
        self.unwritten: list[Unwritten] = []

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


class LaneChecks:
    """The lane checker of one run. `events` takes the launches (None: nobody asks), `violations` the faults.

    `entered` is told the name of each kernel, `after` as well, once it ran, with its tensors. `journal` keeps
    what an argument held then.
    """

    def __init__(
        self, violations: Violations, events: list[dict[str, Any]] | None, entered: Callable[[str], None],
        after: Callable[[str, list[torch.Tensor]], None], poison: Poison | None = None,
        reads: Reads | None = None, journal: Journal | None = None, stores: Stores | None = None,
    ) -> None:  # fmt: skip
        self._journal = journal
        self._violations = violations
        self._events = events
        self._entered = entered
        self._after = after
        self._poison = poison or Poison()
        self._reads = reads
        self._stores = stores
        self._windows = Windows()
        self._launch: Launch | None = None

    # --- launches --------------------------------------------------------------------------

    def run(
        self, call: Callable[..., Any], executor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run one launch with its tensors in windows, then record what it touched."""
        outer, launch = self._launch, _opened(executor, args, kwargs)
        self._entered(launch.kernel)
        if self._reads:
            launch.unwritten = self._reads.of_launch([argument.tensor for argument in launch.arguments])
        launch.written = Written() if self._stores else None
        self._launch = launch
        try:
            return call(executor, *args, **kwargs)
        finally:
            self._launch = outer
            self._windows.close(launch.arguments)
            if self._journal and self._journal.is_next(self._events):
                self._journal.keep(self._journal.find(launch))
            if self._stores and launch.written and launch.written.race:
                self._stores.saw(launch.kernel, 2)
            if self._events is not None:
                self._events.append(launch.event())
            self._after(launch.kernel, [argument.tensor for argument in launch.arguments])

    def convert(self, original: Callable[[Any], Any], value: Any) -> Any:
        """The kernel-side value of an argument: tensors become addresses in their window."""
        launch = self._launch
        if launch is None or not hasattr(value, "data_ptr"):
            return original(value)
        argument = launch.arguments[launch.converted]
        launch.converted += 1
        if argument.real != value.data_ptr():
            raise Unresolved(f"{launch.kernel}: argument {argument.name} is not where its launch said")
        converted = original(value)
        converted.handle.data = np.array([self._windows.open(argument).base], dtype=np.uint64)
        return converted

    # --- addresses -------------------------------------------------------------------------

    def moved(self, original: Callable[..., Any], builder: Any, ptr: Any, offset: Any) -> Any:
        """Pointer arithmetic that no offset, however wild, can carry into another window."""
        distance = offset.data
        if distance.dtype.itemsize < 8 or not distance.size:
            return original(builder, ptr, offset)
        size = _width(ptr)
        reach = 1 << (FAR_BITS - 4)  # int64 offsets are signed, whatever their numpy type says
        signed = distance.view(np.int64) if distance.dtype == np.uint64 else distance
        low, high = (int(signed.flat[0]),) * 2 if signed.size == 1 else (int(signed.min()), int(signed.max()))
        if -reach < low * size and high * size < reach:
            return original(builder, ptr, offset)
        with np.errstate(over="ignore"):
            wrapped = signed * np.int64(size)
        return interpreter.TensorHandle(self._windows.moved(ptr.data, wrapped), ptr.dtype)

    def pointed(self, handle: Any) -> Any:
        """Addresses that were loaded from memory, moved into windows of the tensors they belong to."""
        if self._launch is None:
            return handle
        addresses, launch = handle.data, self._launch
        moved = addresses.copy()
        for address in np.unique(addresses).tolist():
            if self._windows.find(address) is None and (window := self._table_window(launch, address)):
                moved[addresses == address] -= window.delta
        return interpreter.TensorHandle(moved, handle.dtype)

    def _table_window(self, launch: Launch, address: int) -> Window | None:
        if address not in launch.by_address:
            launch.live = launch.live or LiveTensors()
            tensor = launch.live.at(address)
            launch.by_address[address] = self._reached(launch, tensor) if tensor is not None else None
        return launch.by_address[address]

    def _reached(self, launch: Launch, tensor: torch.Tensor) -> Window:
        name = names_of([tensor], launch.frame)[0] or "?"
        argument = Argument(name, tensor, name)
        launch.arguments.append(argument)
        if self._reads:
            launch.unwritten += self._reads.of_launch([tensor])
        return self._windows.open(argument)

    def turned(self) -> bool:
        """Whether the programs of the launch that runs, and its lanes, go in the other direction."""
        launch, stores = self._launch, self._stores
        return launch is not None and stores is not None and stores.turned(launch.kernel)

    # --- accesses --------------------------------------------------------------------------

    def resolve(self, ptrs: Any, mask: Any, kind: str) -> tuple[Addresses, Lanes, bool]:
        """Real addresses, the active lanes that may touch them, and whether others were stray."""
        assert self._launch is not None
        addresses, active, width = ptrs.data, _lanes(mask), _width(ptrs)
        if active.shape != addresses.shape:
            active = np.broadcast_to(active, addresses.shape)
        chosen = addresses if active.all() else addresses[active]
        if not chosen.size:
            return addresses, active, False
        low, high = (chosen.item(),) * 2 if chosen.size == 1 else (int(chosen.min()), int(chosen.max()))
        window = self._windows.find(low)
        if window is not None and window is self._windows.find(high):
            argument, start = window.argument, window.bias - window.base
            within = low + start >= argument.floor and high + start + width <= argument.nbytes
            if within and not argument.gaps:
                argument.touch(low + start, high + start + width - 1, kind == "oob-write")
                if kind == "oob-write":
                    argument.stored(window.offsets(chosen), width)
                self._launch.astray = 0
                return addresses + window.delta, active, False
        return self._by_lane(addresses, active, width, kind)

    def poisoned(self, value: Any, ptrs: Any, violation: Lanes) -> Any:
        """What was loaded, with poison in the stray lanes; there is at least one."""
        self._poison.drawn = True
        value.data[violation] = self._poison.of_numpy(value.data.dtype, ptrs.get_element_ty())
        return value

    def stored(self, addresses: Addresses, values: Any, inside: Lanes) -> None:
        """Keep what a store writes, to see which stores race."""
        launch = self._launch
        if launch is not None and launch.written is not None:
            bits = np.ascontiguousarray(np.broadcast_to(values, addresses.shape))
            bits = bits.view(f"u{bits.dtype.itemsize}").astype(np.uint64)
            launch.written.add(addresses[inside], bits[inside], interpreter.interpreter_builder.grid_idx)

    def ordered(self) -> None:
        """The launch has an atomic operation, by which its programs may wait for each other."""
        if self._launch is not None and self._launch.written is not None:
            self._launch.written.orders = True

    def loaded(self, value: Any) -> None:
        """Look for poison of allocations that this launch was given."""
        launch = self._launch
        if launch and launch.unwritten and not self._poison.drawn and among(value.data, launch.unwritten):
            self._poison.drawn = True

    def _by_lane(
        self, addresses: Addresses, active: Lanes, width: int, kind: str
    ) -> tuple[Addresses, Lanes, bool]:
        real, inside = addresses.copy(), active.copy()
        for window, here in self._windows.split(addresses):
            lanes = here & active
            if not lanes.any():
                continue
            if window is None:
                inside[lanes] = False
                self._report_unknown(kind)
                continue
            real[lanes] += window.delta
            inside[lanes] = self._in_window(window, window.offsets(addresses[lanes]), width, kind)
        self._stop_if_lost(bool(inside.any()))
        return real, inside, not np.array_equal(inside, active)

    def _in_window(self, window: Window, offsets: Offsets, width: int, kind: str) -> Lanes:
        argument = window.argument
        good = argument.inside(offsets, width)
        if good.any():
            fine = offsets[good]
            argument.touch(int(fine.min()), int(fine.max()) + width - 1, kind == "oob-write")
            if kind == "oob-write":
                argument.stored(fine, width)
        if not good.all():
            self._report(argument, offsets[~good], width, kind)
        return good

    def _report(self, argument: Argument, offsets: Offsets, width: int, kind: str) -> None:
        """Stray elements, counted in the type that the kernel's pointer has at the access."""
        assert self._launch is not None
        past = (offsets < argument.floor) | (offsets + width > argument.nbytes)
        for lanes, message in ((past, None), (~past, "between the rows of the slice that was passed")):
            if lanes.any():
                numel = argument.nbytes // width
                fault = Fault(
                    kind=kind,
                    buffer=argument.buffer,
                    kernel=self._launch.kernel,
                    numel=numel,
                    message=message,
                )
                self._violations.access(
                    fault, offsets[lanes] // width, self._where(f", argument {argument.name}")
                )

    def _stop_if_lost(self, inside: bool) -> None:
        launch, program = self._launch, interpreter.interpreter_builder.grid_idx
        assert launch is not None
        launch.astray = 0 if inside or program != launch.program else launch.astray + 1
        launch.program = program
        if launch.astray >= ASTRAY:
            raise Runaway(f"{launch.kernel}: stopped after {ASTRAY} accesses in a row that were all stray")

    def _report_unknown(self, kind: str) -> None:
        assert self._launch is not None
        self._violations.add(Fault(kind=kind, kernel=self._launch.kernel, message=UNKNOWN), self._where())

    def _where(self, what: str = "") -> Where:
        assert self._launch is not None
        return Where(f"{self._launch.kernel}:{self._line()}{what}", interpreter.interpreter_builder.grid_idx)

    def _line(self) -> int:
        """The line of the kernel that is running: its frame is the innermost from the kernel's file."""
        frame = sys._getframe(1)
        while frame is not None:
            if self._launch and frame.f_code.co_filename == self._launch.file:
                return frame.f_lineno
            frame = frame.f_back  # type: ignore[assignment]
        return 0


def _opened(executor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Launch:
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


def _width(ptrs: Any) -> int:
    """Bytes that one lane accesses: the size of the type that the pointer has by then."""
    return int(max(1, ptrs.get_element_ty().primitive_bitwidth // 8))


def _lanes(mask: Any) -> Lanes:
    data = mask if isinstance(mask, np.ndarray) else mask.data
    return data if data.dtype == np.bool_ else np.asarray(data, dtype=bool)


def _backwards(lanes: Any) -> Any:
    """Lanes in the other direction, as one row."""
    return np.ascontiguousarray(lanes.reshape(-1)[::-1])


@contextmanager
def checked(checks: LaneChecks) -> Iterator[None]:
    """Patch the interpreter of this process for as long as the block runs; the innermost checker sees all."""
    raw_call, raw_convert, raw_move, raw_point, raw_load, *raw_writes, raw_place, options = _ORIGINALS
    raw_store, raw_rmw, raw_cas = raw_writes
    handle = interpreter.TensorHandle

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return checks.run(raw_call, self, args, kwargs)

    def convert(value: Any) -> Any:
        return checks.convert(raw_convert, value)

    def move(self: Any, ptr: Any, offset: Any) -> Any:
        return checks.moved(raw_move, self, ptr, offset)

    def point(self: Any, src: Any, dst_type: Any) -> Any:
        return checks.pointed(raw_point(self, src, dst_type))

    def load(self: Any, ptrs: Any, mask: Any, other: Any, *rest: Any, **named: Any) -> Any:
        real, inside, violation = checks.resolve(ptrs, mask, "oob-read")
        value = raw_load(self, handle(real, ptrs.dtype), handle(inside, tl.int1), other, *rest, **named)
        checks.loaded(value)
        return checks.poisoned(value, ptrs, _lanes(mask) & ~inside) if violation else value

    def store(self: Any, ptrs: Any, value: Any, mask: Any, *rest: Any, **named: Any) -> Any:
        real, inside, _ = checks.resolve(ptrs, mask, "oob-write")
        checks.stored(real, value.data, inside)
        if checks.turned():
            real, inside = _backwards(real), _backwards(np.broadcast_to(inside, ptrs.data.shape))
            value = handle(_backwards(np.broadcast_to(value.data, ptrs.data.shape)), value.dtype)
        return raw_store(self, handle(real, ptrs.dtype), value, handle(inside, tl.int1), *rest, **named)

    def rmw(self: Any, op: Any, ptr: Any, value: Any, mask: Any, *rest: Any) -> Any:
        checks.ordered()
        real, inside, violation = checks.resolve(ptr, mask, "oob-write")
        before = raw_rmw(self, op, handle(real, ptr.dtype), value, handle(inside, tl.int1), *rest)
        checks.loaded(before)
        return checks.poisoned(before, ptr, _lanes(mask) & ~inside) if violation else before

    def cas(self: Any, ptr: Any, expected: Any, value: Any, *rest: Any) -> Any:
        checks.ordered()
        everywhere = handle(np.ones(ptr.data.shape, dtype=bool), tl.int1)
        real, inside, violation = checks.resolve(ptr, everywhere, "oob-write")
        # compare-and-swap has no mask, so stray lanes are sent to a scratch word instead
        scratch = np.zeros(1, dtype=np.uint64)
        real[~inside] = scratch.ctypes.data
        before = raw_cas(self, handle(real, ptr.dtype), expected, value, *rest)
        checks.loaded(before)
        return checks.poisoned(before, ptr, ~inside) if violation else before

    def place(self: Any, x: int, y: int, z: int) -> Any:
        if not checks.turned():
            return raw_place(self, x, y, z)
        return raw_place(self, *(size - 1 - at for size, at in zip(self.grid_dim, (x, y, z), strict=True)))

    # The interpreter computes every int32 overflow check and then drops it for want of debug mode;
    # the assertions that code under test makes itself are what debug mode is for here.
    asserting = dataclasses.replace(options, debug=True, sanitize_overflow=False)
    replacements = (call, convert, move, point, load, store, rmw, cas, place, asserting)
    with _patched(replacements):
        yield


@contextmanager
def _patched(replacements: tuple[Any, ...]) -> Iterator[None]:
    originals = [getattr(owner, name) for _, owner, name in _PATCHED]
    for (_, owner, name), replacement in zip(_PATCHED, replacements, strict=True):
        setattr(owner, name, replacement)
    try:
        yield
    finally:
        for (_, owner, name), original in zip(_PATCHED, originals, strict=True):
            setattr(owner, name, original)

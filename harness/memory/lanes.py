"""Checks every lane of every Triton memory access in the interpreter, by provenance.

Each tensor of a launch is handed to the kernel as an address in a window of its own (see
`windows`). Only accesses inside the tensor that an address was derived from reach real memory:
stray loads read poison, stray stores are dropped, and both are reported.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
import triton.language as tl
from triton.runtime import interpreter

from harness.errors import Unresolved
from harness.memory import exchange, handles, plans
from harness.memory.grid import language
from harness.memory.grid.execution import Grid
from harness.memory.grid.records import Access, Place, Record
from harness.memory.journal import Journal
from harness.memory.launch import Launch, Signatures, opened, remembering
from harness.memory.live import LiveTensors
from harness.memory.names import address_of
from harness.memory.poison import Poison
from harness.memory.reads import Reads
from harness.memory.stores import Stores, Written
from harness.memory.unwritten import among
from harness.memory.violations import Violations
from harness.memory.windows import FAR_BITS, Addresses, Argument, Lanes, Offsets, Window, Windows
from harness.observation import Fault

UNKNOWN = "an address that was derived from no argument and no live tensor"

_BUILDER = interpreter.InterpreterBuilder
_PATCHED: tuple[tuple[str, Any, str], ...] = (
    ("GridExecutor", interpreter.GridExecutor, "__init__"),
    ("GridExecutor", interpreter.GridExecutor, "__call__"),
    ("GridExecutor", interpreter.GridExecutor, "_init_args_hst"),
    ("GridExecutor", interpreter.GridExecutor, "_restore_args_dev"),
    ("", interpreter, "_implicit_cvt"),
    ("InterpreterBuilder", _BUILDER, "create_addptr"),
    ("InterpreterBuilder", _BUILDER, "create_int_to_ptr"),
    ("InterpreterBuilder", _BUILDER, "create_masked_load"),
    ("InterpreterBuilder", _BUILDER, "create_masked_store"),
    ("InterpreterBuilder", _BUILDER, "create_atomic_rmw"),
    ("InterpreterBuilder", _BUILDER, "create_atomic_cas"),
    ("InterpreterBuilder", _BUILDER, "set_grid_idx"),
    ("interpreter_builder", interpreter.interpreter_builder, "options"),
    ("TensorHandle", interpreter.TensorHandle, "__init__"),
    ("", interpreter, "_validate_np_data_size"),
    ("", interpreter, "inspect"),
    ("", interpreter, "_patch_lang"),
    ("", interpreter, "_patch_attr"),
    ("", interpreter, "_patch_lang_tensor"),
    ("", interpreter, "ReduceOps"),
    ("", interpreter, "ScanOps"),
)
_ORIGINALS = tuple(getattr(owner, name) for _, owner, name in _PATCHED)
# The interpreter computes every int32 overflow check and then drops it for want of debug mode;
# the assertions that code under test makes itself are what debug mode is for here.
_ASSERTING = dataclasses.replace(interpreter.interpreter_builder.options, debug=True, sanitize_overflow=False)
PATCHES = tuple(
    ".".join(filter(None, ("triton.runtime.interpreter", owner, name))) for owner, _, name in _PATCHED
)


class Resolved(NamedTuple):
    """An access: real addresses, the active lanes that may touch them, and which arguments those are of.

    With `violation` others were stray.
    """

    real: Addresses
    inside: Lanes
    arguments: tuple[Argument, ...] = ()
    violation: bool = False


class LaneChecks:
    """The lane checker of one run. `events` takes the launches (None: nobody asks), `violations` the faults.

    `entered` is told the name of each kernel, `after` as well, once it ran, with its tensors. `journal` keeps
    what an argument held then. `ran` counts launches by how their programs ran: see `grid.execution`.
    """

    def __init__(
        self, violations: Violations, events: list[dict[str, Any]] | None, entered: Callable[[str], None],
        after: Callable[[str, list[torch.Tensor]], None], poison: Poison | None = None,
        reads: Reads | None = None, journal: Journal | None = None, stores: Stores | None = None,
        ran: Counter[str] | None = None,
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
        self._grid = Grid(violations, Counter() if ran is None else ran)

    @property
    def _record(self) -> Record:
        assert self._grid.record is not None
        return self._grid.record

    # --- launches --------------------------------------------------------------------------

    def run(
        self, call: Callable[..., Any], executor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run one launch with its tensors in windows, then record what it touched."""
        outer, launch = self._launch, opened(executor, args, kwargs)
        self._entered(launch.kernel)
        for argument in launch.arguments:
            self._look_into(argument, launch)
        if self._stores:
            launch.written, launch.turned = Written(), self._stores.turned(launch.kernel)
        self._launch = launch
        try:
            return self._grid.launch(call, executor, args, kwargs, launch)
        finally:
            self._launch = outer
            self._windows.close(launch.arguments + launch.forgotten)
            if self._journal and self._journal.is_next(self._events):
                self._journal.keep(self._journal.find(launch))
            if self._stores and launch.written and launch.written.race:
                self._stores.saw(launch.kernel, 2)
            if self._events is not None:
                self._events.append(launch.event())
            self._after(launch.kernel, [argument.tensor for argument in launch.arguments])

    def taken_over(self, executor: Any) -> bool:
        """Whether a launch can have its arguments as they are: the interpreter copies each, to and fro.

        It does so for the sake of devices. Of what lies in the CPU's memory the copy is the same storage,
        which then comes to be copied onto itself.
        """
        return self._launch is not None and not executor.pre_run_hooks and self._launch.on_cpu

    def convert(self, arguments: handles.Arguments, value: Any) -> Any:
        """The kernel-side value of an argument: tensors become addresses in their window."""
        launch = self._launch
        if launch is None or not hasattr(value, "data_ptr"):
            return arguments.plain(value) if launch is None else arguments.value(value)
        argument = launch.arguments[launch.converted]
        launch.converted += 1
        if argument.real != (value.data_ptr() if value is not argument.tensor else address_of(value)):
            raise Unresolved(f"{launch.kernel}: argument {argument.name} is not where its launch said")
        return arguments.pointer(value, self._windows.open(argument).base)

    # --- addresses -------------------------------------------------------------------------

    def moved(self, original: Callable[..., Any], builder: Any, ptr: Any, offset: Any) -> Any:
        """Pointer arithmetic that no offset, however wild, can carry into another window."""
        distance = offset.data
        if distance.dtype.itemsize < 8 or not distance.size:
            return original(builder, ptr, offset)
        size = _width(ptr)
        reach = 1 << (FAR_BITS - 4)  # int64 offsets are signed, whatever their numpy type says
        signed = distance.view(np.int64) if distance.dtype == np.uint64 else distance
        low, high = _ends(signed)
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
        for address, row in _each(addresses):
            if self._windows.find(address) is None:
                self._record.pointed(address, row)
                if window := self._table_window(launch, address):
                    moved[addresses == address] -= window.delta
        return interpreter.TensorHandle(moved, handle.dtype)

    def _table_window(self, launch: Launch, address: int) -> Window | None:
        if address not in launch.by_address:
            launch.live = launch.live or LiveTensors()
            tensor = launch.live.at(address)
            launch.by_address[address] = self._reached(launch, tensor) if tensor is not None else None
        return launch.by_address[address]

    def _reached(self, launch: Launch, tensor: torch.Tensor) -> Window:
        name = launch.bindings.name_of(tensor) or "?"
        argument = Argument(name, tensor, name)
        launch.arguments.append(argument)
        self._look_into(argument, launch)
        return self._windows.open(argument)

    def _look_into(self, argument: Argument, launch: Launch) -> None:
        """Note what of poison a launch could load from an argument."""
        if self._reads and (unwritten := self._reads.held(argument.tensor)):
            launch.unwritten[id(argument)] = unwritten

    def begins(self, place: Place) -> None:
        """The interpreter goes to another program, unless it stands for several."""
        if self._grid.record is not None:
            self._grid.record.begins(place)

    def turned(self) -> bool:
        """Whether the programs of the launch that runs, and its lanes, go in the other direction."""
        return self._launch is not None and self._launch.turned

    # --- accesses --------------------------------------------------------------------------

    def resolve(self, ptrs: Any, mask: Any, kind: str) -> Resolved:
        """Where an access really goes; every lane is judged, and what is stray is reported."""
        addresses, active, width = ptrs.data, _lanes(mask), _width(ptrs)
        if active.shape != addresses.shape:
            active = np.broadcast_to(active, addresses.shape)
        chosen = addresses if _every(active) else addresses[active]
        if not chosen.size:
            return Resolved(addresses, active)
        low, high = _ends(chosen)
        window, record, writes = self._windows.find(low), self._record, kind == "oob-write"
        if window is not None and window is self._windows.find(high):
            argument, start = window.argument, window.bias - window.base
            within = low + start >= argument.floor and high + start + width <= argument.nbytes
            if within and not argument.gaps:
                record.touch(argument, low + start, high + start + width - 1, writes)
                if writes and argument.stores is not None:
                    record.elements(argument, window.offsets(chosen), width)
                record.sound(active)
                real = addresses + window.delta
                if record.keeps:
                    ends = argument.real + low + start, argument.real + high + start + width
                    record.access(Access((argument,), real, active, width, writes, *ends))
                return Resolved(real, active, (argument,))
        return self._by_lane(addresses, active, width, kind)

    def poisoned(self, value: Any, ptrs: Any, violation: Lanes) -> Any:
        """What was loaded, with poison in the stray lanes; there is at least one."""
        self._poison.drawn = True
        value.data[violation] = self._poison.of_numpy(value.data.dtype, ptrs.get_element_ty())
        return value

    def stored(self, addresses: Addresses, values: Any, inside: Lanes) -> None:
        """Keep what a store writes, to see which stores race."""
        if self._launch is not None and self._record.values:
            whole = values if values.shape == addresses.shape else np.broadcast_to(values, addresses.shape)
            self._record.stored(addresses, whole, inside)

    def ordered(self) -> None:
        """The launch has an atomic operation, by which its programs may wait for each other."""
        self._record.updates()

    def loaded(self, value: Any, arguments: tuple[Argument, ...]) -> None:
        """Look for poison in what was loaded of these."""
        launch = self._launch
        if launch and launch.unwritten and not self._poison.drawn:
            held = [launch.unwritten[id(one)] for one in arguments if id(one) in launch.unwritten]
            if held and among(value.data, held):
                self._poison.drawn = True

    def _by_lane(self, addresses: Addresses, active: Lanes, width: int, kind: str) -> Resolved:
        real, inside, at = addresses.copy(), active.copy(), np.flatnonzero(active)
        chosen, arguments = addresses.reshape(-1)[at], []
        moved, good = chosen.copy(), np.zeros(chosen.shape, dtype=bool)
        programs = at // max(1, math.prod(addresses.shape[1:]))
        for window, lanes in self._windows.grouped(chosen):
            if window is None:
                self._report_unknown(kind, programs[lanes])
                continue
            moved[lanes] += window.delta
            good[lanes] = self._in_window(window, chosen[lanes], programs[lanes], width, kind)
            arguments.append(window.argument)
        real.reshape(-1)[at], inside.reshape(-1)[at] = moved, good
        self._record.astray(active, inside)
        if self._record.keeps:
            low, high = _ends(moved[good]) if good.any() else (0, -width)
            done = Access(tuple(arguments), real, inside, width, kind == "oob-write", low, high + width)
            self._record.access(done)
        return Resolved(real, inside, tuple(arguments), not good.all())

    def _in_window(
        self, window: Window, addresses: Addresses, programs: Offsets, width: int, kind: str
    ) -> Lanes:
        """Which of these lanes are inside; `programs` are theirs, by their place on the first axis."""
        argument, offsets = window.argument, window.offsets(addresses)
        good = argument.inside(offsets, width)
        if good.any():
            self._touched(argument, offsets[good], width, kind == "oob-write")
        if not good.all():
            self._report(argument, offsets[~good], programs[~good], width, kind)
        return good

    def _touched(self, argument: Argument, offsets: Offsets, width: int, writes: bool) -> None:
        """Lanes at these offsets are inside; there is at least one."""
        self._record.touch(argument, int(offsets.min()), int(offsets.max()) + width - 1, writes)
        if writes and argument.stores is not None:
            self._record.elements(argument, offsets, width)

    def _report(self, argument: Argument, offsets: Offsets, programs: Offsets, width: int, kind: str) -> None:
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
                what = f", argument {argument.name}"
                self._record.stray(fault, offsets[lanes] // width, what, int(programs[lanes][0]))

    def _report_unknown(self, kind: str, programs: Offsets) -> None:
        assert self._launch is not None
        fault = Fault(kind=kind, kernel=self._launch.kernel, message=UNKNOWN)
        self._record.stray(fault, None, "", int(programs[0]))


def _every(lanes: Lanes) -> bool:
    """`lanes.all()`, which takes longer for a few than to look at them does."""
    return bool(lanes.item() if lanes.size == 1 else np.logical_and.reduce(lanes, axis=None))


def _each(addresses: Addresses) -> Iterator[tuple[int, int]]:
    """The different ones of some, from the lowest on, with the first place of each on the first axis."""
    if addresses.size == 1:
        yield addresses.item(), 0
        return
    found, places = np.unique(addresses, return_index=True)
    rows = places // math.prod(addresses.shape[1:])
    yield from zip(found.tolist(), rows.tolist(), strict=True)


def _ends(numbers: Addresses | Offsets) -> tuple[int, int]:
    """The lowest and the highest of some."""
    if numbers.size == 1:
        return (numbers.item(),) * 2
    return int(np.minimum.reduce(numbers, axis=None)), int(np.maximum.reduce(numbers, axis=None))


_sizes: dict[str, int] = {}


def _width(ptrs: Any) -> int:
    """Bytes that one lane accesses: the size of the type that the pointer has by then."""
    name = ptrs.dtype.name
    if (size := _sizes.get(name)) is None:
        size = _sizes[name] = int(max(1, ptrs.get_element_ty().primitive_bitwidth // 8))
    return size


def _lanes(mask: Any) -> Lanes:
    data = mask if isinstance(mask, np.ndarray) else mask.data
    return data if data.dtype == np.bool_ else np.asarray(data, dtype=bool)


def _mask(given: Any, inside: Lanes) -> Any:
    """The mask of these lanes, which is the one that was given where none of its lanes is stray."""
    if given.__class__ is interpreter.TensorHandle and given.data is inside:
        return given
    return interpreter.TensorHandle(inside, tl.int1)


def _backwards(lanes: Any) -> Any:
    """Lanes in the other direction, as one row."""
    return np.ascontiguousarray(lanes.reshape(-1)[::-1])


@contextmanager
def checked(checks: LaneChecks) -> Iterator[None]:
    """Patch the interpreter of this process for as long as the block runs; the innermost checker sees all."""
    raw_begin, raw_call, raw_take, raw_bring, raw_convert, raw_move, raw_point, raw_load, *others = _ORIGINALS
    arguments = handles.Arguments(raw_convert)
    raw_store, raw_rmw, raw_cas, raw_place, *_ = others
    handle = interpreter.TensorHandle

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return checks.run(raw_call, self, args, kwargs)

    def take(self: Any, args: Any, kwargs: Any) -> Any:
        return (list(args), dict(kwargs)) if checks.taken_over(self) else raw_take(self, args, kwargs)

    def bring(self: Any, *args: Any) -> None:
        if not checks.taken_over(self):
            raw_bring(self, *args)

    def convert(value: Any) -> Any:
        return checks.convert(arguments, value)

    def move(self: Any, ptr: Any, offset: Any) -> Any:
        return checks.moved(raw_move, self, ptr, offset)

    def point(self: Any, src: Any, dst_type: Any) -> Any:
        return checks.pointed(raw_point(self, src, dst_type))

    def load(self: Any, ptrs: Any, mask: Any, other: Any, *rest: Any, **named: Any) -> Any:
        real, inside, arguments, violation = checks.resolve(ptrs, mask, "oob-read")
        value = raw_load(self, handle(real, ptrs.dtype), _mask(mask, inside), other, *rest, **named)
        checks.loaded(value, arguments)
        return checks.poisoned(value, ptrs, _lanes(mask) & ~inside) if violation else value

    def store(self: Any, ptrs: Any, value: Any, mask: Any, *rest: Any, **named: Any) -> Any:
        real, inside, *_ = checks.resolve(ptrs, mask, "oob-write")
        checks.stored(real, value.data, inside)
        if checks.turned():
            real, inside = _backwards(real), _backwards(np.broadcast_to(inside, ptrs.data.shape))
            value = handle(_backwards(np.broadcast_to(value.data, ptrs.data.shape)), value.dtype)
        return raw_store(self, handle(real, ptrs.dtype), value, _mask(mask, inside), *rest, **named)

    def rmw(self: Any, op: Any, ptr: Any, value: Any, mask: Any, *rest: Any) -> Any:
        checks.ordered()
        real, inside, arguments, violation = checks.resolve(ptr, mask, "oob-write")
        before = raw_rmw(self, op, handle(real, ptr.dtype), value, handle(inside, tl.int1), *rest)
        checks.loaded(before, arguments)
        return checks.poisoned(before, ptr, _lanes(mask) & ~inside) if violation else before

    def cas(self: Any, ptr: Any, expected: Any, value: Any, *rest: Any) -> Any:
        checks.ordered()
        everywhere = handle(np.ones(ptr.data.shape, dtype=bool), tl.int1)
        real, inside, arguments, violation = checks.resolve(ptr, everywhere, "oob-write")
        # compare-and-swap has no mask, so stray lanes are sent to a scratch word instead
        scratch = np.zeros(1, dtype=np.uint64)
        real[~inside] = scratch.ctypes.data
        before = raw_cas(self, handle(real, ptr.dtype), expected, value, *rest)
        checks.loaded(before, arguments)
        return checks.poisoned(before, ptr, ~inside) if violation else before

    def place(self: Any, x: int, y: int, z: int) -> None:
        at = x, y, z
        if checks.turned():
            at = tuple(size - 1 - one for size, one in zip(self.grid_dim, at, strict=True))
        raw_place(self, *at)
        checks.begins(at)

    as_before = handles.handle, handles.fits, Signatures(), exchange.Quick(interpreter._patch_lang)
    of_programs = plans.patch_attr, language.patch_lang_tensor, language.reduce_ops, language.scan_ops
    replacements = (
        remembering(raw_begin),
        call,
        take,
        bring,
        convert,
        move,
        point,
        load,
        store,
        rmw,
        cas,
        place,
        _ASSERTING,
        *as_before,
        *of_programs,
    )
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

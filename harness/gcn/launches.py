"""Has Triton compile what is launched for an AMD GPU, and runs that code here instead of on the GPU."""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import FrameType
from typing import Any

import torch

from harness.errors import Unresolved, Unsupported
from harness.gcn import assembly, emulator, segment
from harness.gcn.emulator import Code, Run
from harness.gcn.space import Space
from harness.host import targets
from harness.host.targets import Target
from harness.memory.journal import Journal
from harness.memory.launch import Launch
from harness.memory.live import LiveTensors
from harness.memory.names import Bindings
from harness.memory.poison import Poison
from harness.memory.violations import Violations
from harness.memory.windows import Argument

PATCHES = (*targets.PATCHES, "triton.runtime.jit.JITFunction.run: what it compiled is emulated")


@dataclass(frozen=True)
class Emulation:
    """The launches of one run. `events` takes them (None: nobody asks), `violations` what they touch astray.

    `entered` is told the name of each kernel, `after` as well, once it ran, with its tensors; `runs` takes
    what was executed. `journal` keeps one argument of one launch, and who stored its elements.
    """

    target: Target
    violations: Violations
    events: list[dict[str, Any]] | None
    entered: Callable[[str], None]
    after: Callable[[str, list[torch.Tensor]], None]
    poison: Poison = field(default_factory=Poison)
    runs: list[tuple[str, Run]] = field(default_factory=list)
    journal: Journal | None = None

    def launch(
        self, function: Any, kernel: Any, grid: Any, bound: Mapping[str, Any], frame: FrameType
    ) -> None:
        """Run one launch and record what it touched."""
        self.entered(function.__name__)
        launch = _opened(function, grid, bound, frame)
        code = _decoded(kernel.asm[self.target.language])
        space = Space(launch.kernel, self.violations, self.poison, lambda address: _reached(launch, address))
        space.watched = self._watched()
        sizes = _three(launch.grid), kernel.metadata.num_warps, kernel.metadata.shared
        kinds, values = _passed(kernel, bound, {one.name: space.place(one) for one in launch.arguments})
        content = segment.lay_out(code.assembly, kinds, values, *sizes)
        try:
            told = emulator.run(code, space, space.segment(content), *sizes)
            self.runs.append((function.__name__, told))
        finally:
            self._keep(launch, space)

    def _keep(self, launch: Launch, space: Space) -> None:
        """Tell of what a launch touched, however it ended."""
        if self.journal and space.stores:
            self.journal.keep(space.stores.argument, space.stores.last)
        if self.events is not None:
            self.events.append(_told(launch))
        self.after(launch.kernel, [argument.tensor for argument in launch.arguments])

    def _watched(self) -> str | None:
        """The argument whose stores are to be remembered, where the journal waits for this launch."""
        return self.journal.argument if self.journal and self.journal.is_next(self.events) else None


def _passed(kernel: Any, bound: Mapping[str, Any], placed: Mapping[str, int]) -> tuple[list[str], list[Any]]:
    """The kinds and values of what a launch passes on, tensors as the addresses where they are placed."""
    kinds = {name: kind for name, kind in kernel.src.signature.items() if kind != "constexpr"}
    return list(kinds.values()), [placed.get(name, bound[name]) for name in kinds]


def _reached(launch: Launch, address: int) -> Argument | None:
    """The live tensor that an address of a table belongs to, as one more argument of the launch."""
    launch.live = launch.live or LiveTensors()
    tensor = launch.live.at(address)
    if tensor is None:
        return None
    name = launch.bindings.name_of(tensor) or "?"
    launch.arguments.append(Argument(name, tensor, name))
    return launch.arguments[-1]


def _told(launch: Launch) -> dict[str, Any]:
    """A launch as the trace has it, without what was read: a compiler leaves out what nobody uses."""
    event = launch.event()
    for facts in (*event["args"].values(), *event.get("reached", ())):
        facts.pop("read", None)
    return event


@cache
def _decoded(text: str) -> Code:
    """A kernel, decoded once. All that this makes stays: to look for garbage meanwhile is time lost."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        return emulator.decode(assembly.read(text))
    finally:
        if enabled:
            gc.enable()


def _three(grid: list[int]) -> tuple[int, int, int]:
    x, y, z = (*grid, 1, 1, 1)[:3]
    return x, y, z


def _opened(function: Any, grid: Any, bound: Mapping[str, Any], frame: FrameType) -> Launch:
    """A launch with its tensors under the names of the kernel's parameters."""
    if nested := [name for name, value in bound.items() if isinstance(value, tuple)]:
        raise Unsupported(f"{function.__name__}: the tuple {nested[0]} as an argument")
    given = {name: value for name, value in bound.items() if isinstance(value, torch.Tensor)}
    bindings = Bindings(frame)
    arguments = [Argument(name, tensor, bindings.name_of(tensor) or name) for name, tensor in given.items()]
    scalars = {name: value for name, value in bound.items() if isinstance(value, bool | int | float | str)}
    size = grid(dict(bound)) if callable(grid) else grid
    file = function.fn.__code__.co_filename
    return Launch(function.__name__, file, [int(n) for n in size], scalars, arguments, bindings)


def _bound(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a launch by the kernel's parameters; options of the compiler are none."""
    signature = _signature(function.fn)
    named = {name: value for name, value in kwargs.items() if name in signature.parameters}
    given = signature.bind(*args, **named)
    given.apply_defaults()
    return dict(given.arguments)


@cache
def _signature(kernel: Any) -> inspect.Signature:
    return inspect.signature(kernel)


@contextmanager
def emulated(emulation: Emulation) -> Iterator[None]:
    """Run what is launched while the block runs in the emulator."""
    with targets.launching(emulation.target, lambda *launch: _run(emulation, *launch)):
        yield


def _run(
    emulation: Emulation,
    function: Any,
    kernel: Any,
    grid: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> None:
    if kernel is None:
        raise Unresolved(f"{function.__name__}: Triton compiled nothing")
    emulation.launch(function, kernel, grid, _bound(function, args, kwargs), sys._getframe(3))

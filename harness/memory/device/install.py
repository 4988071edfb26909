"""Puts device fences into a process that serves, without changing what it serves.

torch's factories are wrapped, not its dispatch, so that compiled code stays compiled and an operation
costs nothing more. Graphs that are captured end with a sweep of all zones. Compiled code checks what
it indexes the wanted buffers by.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.utils._device

from harness.memory.device import compiled, gone
from harness.memory.device.driver import CUDA, HIP, DriverMemory
from harness.memory.device.fences import DeviceFences
from harness.memory.device.indices import WatchedIndices
from harness.memory.device.ledger import Ledger
from harness.memory.device.memory import AllocatorSource, GuardedSource, Source
from harness.memory.fences import is_plain
from harness.memory.names import name_to_be
from harness.memory.violations import Violations

FACTORIES = (
    *("arange", "empty", "empty_like", "empty_strided", "full", "full_like", "ones", "ones_like"),
    *("tensor", "zeros", "zeros_like"),
)
PATCHES = (
    *(f"torch.{name}" for name in FACTORIES),
    "torch.cuda.CUDAGraph.capture_end",
    "torch.cuda.CUDAGraph.replay",
    compiled.PATCH,
)


@dataclass(frozen=True)
class Wanted:
    """What to fence: buffers that code under `root` binds to these names, or all if there are none.

    `rows` are names of buffers that get zones between their rows. `electric` puts an unmapped page
    behind every buffer, at two MiB each. `assertions` are the compiler's own index assertions, as torch
    has them or left out. `ledger` is a file for the buffers' addresses, `device` the kind of memory whose
    buffers are fenced, in torch's words.
    """

    root: str
    only: frozenset[str] = frozenset()
    rows: frozenset[str] = frozenset()
    electric: bool = False
    assertions: bool = True
    ledger: Path | None = None
    device: str = "cuda"

    def covers(self, name: str | None) -> bool:
        return not self.only or name in self.only


@dataclass
class Installed:
    """Fences in this process. `fences` is the device's, made at the first buffer that is fenced.

    Nothing is asked of the device any more once its `context` is lost.
    """

    wanted: Wanted
    violations: Violations
    indices: WatchedIndices
    context: gone.Context
    _stack: ExitStack = field(default_factory=ExitStack)
    _fences: DeviceFences | None = None
    _inside: bool = False
    _settled: bool = False
    _patched: list[tuple[Any, str, Any, Any]] = field(default_factory=list)

    @property
    def fences(self) -> DeviceFences:
        if self._fences is None:
            source = _source(self.wanted.device, self.wanted.electric)
            ledger = Ledger(self.wanted.ledger)
            self._fences = DeviceFences(self.violations, source, rows=self.wanted.rows, ledger=ledger)
            # What compiles kernels and takes memory is done now, as a capture should not have to.
            self._fences.check()
            self.indices.prepare(source.device)
        return self._fences

    def after_forward(self) -> None:
        """Have the zones looked at behind what the device has to do, and report what is known by now."""
        if self._fences is not None:
            self.context.ask(self._fences.launch)
        self.poll()

    def poll(self) -> None:
        """Report what is known by now, without waiting for the device."""
        if self._fences is not None:
            self.context.ask(self._fences.poll)
        self.context.ask(self.indices.poll)

    def check(self) -> None:
        """Wait for the device and report all damage and all stray indices."""
        self.context.ask(self._wait)
        if self._fences is not None:
            self.context.ask(self._fences.check)
        self.context.ask(self.indices.check)

    def _wait(self) -> None:
        """Meet a context that is gone before anything is launched in it."""
        if self.wanted.device != "cpu" and torch.cuda.is_initialized():
            torch.cuda.synchronize()

    def notes(self) -> list[str]:
        """What a person should know: rows that were left, and what had no fence."""
        return self._fences.notes() if self._fences is not None else []

    def settle(self) -> None:
        """Fence nothing that is allocated from now on; what is fenced is looked at as before."""
        self._settled = True

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Give torch its own functions back while the block runs; compiled code stays as it is."""
        for owner, name, original, _ in self._patched:
            setattr(owner, name, original)
        try:
            yield
        finally:
            for owner, name, _, value in self._patched:
                setattr(owner, name, value)

    def remove(self) -> None:
        """Give torch its own functions back."""
        self._stack.close()

    # --- what the wrapped functions do -------------------------------------------------------

    def moved(self, made: Any, frame: FrameType) -> Any:
        """The tensor that a factory made, inside a fence if it is one of those wanted."""
        if (
            self._inside
            or self._settled
            or not is_plain(made)
            or made.device.type != self.wanted.device
            or not made.numel()
        ):
            return made
        if self.wanted.device != "cpu" and torch.cuda.is_current_stream_capturing():
            return made
        name = name_to_be(frame)
        if not self.wanted.covers(name):
            return made
        kept = [made]
        self._inside = True  # fencing allocates, too
        try:
            self.context.ask(lambda: kept.append(self._fenced(made, name)))
        finally:
            self._inside = False
        return kept[-1]

    def _fenced(self, made: torch.Tensor, name: str | None) -> torch.Tensor:
        return self.fences.allocate(made, name).copy_(made).requires_grad_(made.requires_grad)

    def ends_capture(self, original: Callable[[Any], None], graph: Any) -> None:
        if self._fences is not None:
            self._fences.keep_for_graphs()
            self.context.ask(self._fences.launch)
        original(graph)

    def replays(self, original: Callable[[Any], None], graph: Any) -> None:
        original(graph)
        self.poll()


def install(wanted: Wanted, violations: Violations | None = None) -> Installed:
    """Wrap torch's factories and graphs in this process; before the buffers are made.

    Faults go to `violations` when a sweep has found them.
    """
    seen = violations or Violations()
    context = gone.Context()
    installed = Installed(wanted, seen, WatchedIndices(seen, context), context)
    _ = torch.utils._device._device_constructors()  # remembers the factories by what they are now
    root = wanted.root.rstrip(os.sep) + os.sep
    for name in FACTORIES:
        _patch(installed, torch, name, _factory(getattr(torch, name), installed, root))
    for name, method in (("capture_end", installed.ends_capture), ("replay", installed.replays)):
        _patch(installed, torch.cuda.CUDAGraph, name, _method(getattr(torch.cuda.CUDAGraph, name), method))
    _compiled(installed)
    return installed


def _compiled(installed: Installed) -> None:
    wanted = installed.wanted
    identity = f"{sorted(wanted.only)} {wanted.assertions}"
    installed._stack.callback(installed.indices.close)
    installed._stack.enter_context(
        compiled.checked(compiled.IndexChecks(wanted.root, wanted.covers, identity), wanted.assertions)
    )


def _patch(installed: Installed, owner: Any, name: str, value: Any) -> None:
    original = getattr(owner, name)
    installed._stack.callback(setattr, owner, name, original)
    installed._patched.append((owner, name, original, value))
    setattr(owner, name, value)


def _factory(original: Any, installed: Installed, root: str) -> Any:
    @functools.wraps(original)
    def factory(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return original(*args, **kwargs)
        made = original(*args, **kwargs)
        frame = sys._getframe(1)
        return installed.moved(made, frame) if frame.f_code.co_filename.startswith(root) else made

    return factory


def _method(original: Any, around: Callable[[Any, Any], None]) -> Any:
    @functools.wraps(original)
    def method(graph: Any) -> None:
        around(original, graph)

    return method


def _source(kind: str, electric: bool) -> Source:
    device = torch.device(kind, torch.cuda.current_device()) if kind != "cpu" else torch.device(kind)
    if not electric:
        return AllocatorSource(device)
    vendor = HIP if torch.version.hip else CUDA
    return GuardedSource(device, DriverMemory(vendor, device.index))

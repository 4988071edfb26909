"""Sees every launch of a compiled Triton kernel: its arguments before it runs, and the fences behind it.

What the lanes of `harness.memory.lanes` are to the interpreter, as far as hardware tells: which elements
a kernel touches it does not.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
import triton
from triton.runtime.jit import JITFunction

from harness.errors import DeviceGone
from harness.memory.device import gone, neighbours
from harness.memory.device.neighbours import Kept, Slice
from harness.memory.names import names_of
from harness.memory.violations import Violations
from harness.observation import Fault

PATCHES = ("triton.runtime.jit.JITFunction.run",)
_OURS = __name__.rpartition(".")[0]
_PASSED_THROUGH = (os.path.dirname(str(triton.__file__)) + os.sep, __file__)
"""Code between the launch and who asked for it."""


@dataclass(frozen=True)
class Given:
    """A tensor among the arguments of a launch; `buffer` is what it is called outside of the kernel."""

    argument: str
    tensor: torch.Tensor
    buffer: str


@dataclass(frozen=True)
class Launches:
    """The launches of one run. `events` takes them (None: nobody asks), `violations` what they write astray.

    `entered` is told the name of each kernel, `after` as well, once it ran, with its tensors.
    """

    violations: Violations
    events: list[dict[str, Any]] | None
    entered: Callable[[str], None]
    after: Callable[[str, list[torch.Tensor]], None]

    def run(
        self,
        call: Callable[..., Any],
        function: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        asked: FrameType,
    ) -> Any:
        """Carry out one launch, and look at the memory around its tensors when it has ended.

        Raises DeviceGone where it ends the device's context.
        """
        if function.fn.__module__.startswith(_OURS) or kwargs.get("warmup"):
            return call(function, *args, **kwargs)
        name, bound = function.fn.__name__, _bound(function, args, kwargs)
        self.entered(name)
        given = _given(bound, _asker(asked))
        if self.events is not None:
            self.events.append(_event(function, bound, kwargs["grid"], given))
        try:
            beside = neighbours.kept([Slice(one.buffer, one.tensor) for one in given])
            result = call(function, *args, **kwargs)
            self._look(name, beside)
            self.after(name, [one.tensor for one in given])
        except RuntimeError as error:
            if what := gone.what(error):
                raise DeviceGone(what, gone.guilty(error) or name) from error
            raise
        return result

    def _look(self, kernel: str, beside: Sequence[Kept]) -> None:
        for one, elements in (violation for kept in beside for violation in kept.violations()):
            fault = Fault(kind="oob-write", buffer=one.buffer, kernel=kernel, numel=_span(one.tensor))
            self.violations.access(fault, elements)


def _span(tensor: torch.Tensor) -> int:
    """Elements from a tensor's first to behind its last, as the CPU's lanes count."""
    return sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True)) + 1


def _bound(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by name, without the options of the launch."""
    named = dict(zip(function.arg_names, args, strict=False))
    return named | {name: value for name, value in kwargs.items() if name in function.arg_names}


def _tensors(bound: Mapping[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, value in bound.items():
        if isinstance(value, tuple):
            yield from _tensors({f"{name}[{index}]": item for index, item in enumerate(value)})
        elif isinstance(value, torch.Tensor):
            yield name, value


def _given(bound: Mapping[str, Any], asker: FrameType | None) -> list[Given]:
    found = list(_tensors(bound))
    names = names_of([tensor for _, tensor in found], asker)
    return [Given(name, tensor, known or name) for (name, tensor), known in zip(found, names, strict=True)]


def _event(function: Any, bound: Mapping[str, Any], grid: Any, given: Sequence[Given]) -> dict[str, Any]:
    size = grid(bound) if callable(grid) else grid
    constants = {param.name for param in function.params if param.is_constexpr}
    return {
        "event": "launch",
        "kernel": function.fn.__name__,
        "grid": [int(extent) for extent in (*size, 1, 1)[:3]],
        "scalars": {
            name: value
            for name, value in bound.items()
            if isinstance(value, bool | int | float | str) and name not in constants
        },
        "args": {
            one.argument: {
                "buffer": one.buffer,
                "dtype": str(one.tensor.dtype).removeprefix("torch."),
                "shape": list(one.tensor.shape),
            }
            for one in given
        },
    }


def _asker(frame: FrameType | None) -> FrameType | None:
    while frame is not None and frame.f_code.co_filename.startswith(_PASSED_THROUGH):
        frame = frame.f_back
    return frame


@contextmanager
def checked(launches: Launches) -> Iterator[None]:
    """Watch the launches of this process for as long as the block runs."""
    original = JITFunction.run

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        return launches.run(original, self, args, kwargs, sys._getframe(1))

    JITFunction.run = run
    try:
        yield
    finally:
        JITFunction.run = original

"""Records the launches of Triton's interpreter, and repeats them."""

from __future__ import annotations

import inspect
import operator
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch.utils._python_dispatch import _disable_current_modes
from triton.runtime import interpreter

from harness.memory import lanes, launch
from harness.memory.graphs import stage
from harness.memory.graphs.aliases import frozen, tensors_in
from harness.memory.graphs.places import caller
from harness.memory.violations import Violations

PATCHES = ("triton.runtime.interpreter.GridExecutor.__call__",)


class Repeated(launch.OfAllocations):
    """A launch as a graph knows it: fixed grid and scalars, and of each tensor an address."""


@contextmanager
def recorded() -> Iterator[None]:
    """Have the launches of the capture in this thread recorded, for as long as the block runs.

    They run inside lane checks of their own, which tell nobody: nothing that a capture does is done.
    """
    silent = lanes.LaneChecks(Violations(), None, lambda kernel: None, lambda kernel, tensors: None)
    with lanes.checked(silent), _hooked():
        yield


@contextmanager
def _hooked() -> Iterator[None]:
    original = interpreter.GridExecutor.__call__

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (recorder := stage.recorder()) is None:
            return original(self, *args, **kwargs)
        with _disable_current_modes():
            repeat = partial(operator.call, _fixed(self, args, kwargs), *frozen(args), **frozen(kwargs))
            recorder.launch(self.fn.__name__, repeat, tensors_in(args, kwargs), caller(sys._getframe(1)))
            with stage.set_aside():
                return original(self, *args, **kwargs)

    interpreter.GridExecutor.__call__ = call
    try:
        yield
    finally:
        interpreter.GridExecutor.__call__ = original


def _fixed(executor: Any, args: Any, kwargs: Any) -> Repeated:
    grid = executor.grid
    if callable(grid):
        known = inspect.getfullargspec(executor.fn).args
        named = {name: value for name, value in kwargs.items() if name in known}
        grid = grid(inspect.getcallargs(executor.fn, *args, **named))
    return Repeated(executor.fn, executor.arg_names, tuple(grid), executor.pre_run_hooks)

"""Stands for a kernel where the interpreter runs it as a single program, which is all of a launch's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

Kernel = Callable[..., Any]
Run = Callable[[dict[str, Any]], None]


class Body:
    """The signature, the name and the globals of a kernel; what runs is given to `running`.

    It equals its kernel, and does not outlive a launch with anything of it: others keep kernels as keys.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._run: Run | None = None
        self.__signature__ = _signature(kernel)
        self.__globals__ = kernel.__globals__
        self.__name__ = kernel.__name__

    @contextmanager
    def running(self, run: Run) -> Iterator[None]:
        """Have `run` called with the kernel's arguments while the block runs."""
        self._run = run
        try:
            yield
        finally:
            self._run = None

    def __call__(self, **arguments: Any) -> None:
        assert self._run is not None
        self._run(arguments)

    def __eq__(self, other: object) -> bool:
        return self._kernel == (other._kernel if isinstance(other, Body) else other)

    def __hash__(self) -> int:
        return hash(self._kernel)


@cache
def _signature(kernel: Kernel) -> inspect.Signature:
    return inspect.signature(kernel)

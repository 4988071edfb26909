"""Notices when memory that nobody wrote is read, so that only such runs are made again.

What is looked for is the poison itself, bit by bit, where it lies: before any arithmetic. To take other
data for it costs a run more and no verdict. What native code reads through a bare address is not seen, so
that code under test which asks for one counts as a reader.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

import torch
import triton
from torch.utils._python_dispatch import (
    _disable_current_modes,
    _get_current_dispatch_mode_stack,
    _pop_mode_temporarily,
)

from harness.memory.allocations import ALLOCATORS
from harness.memory.fences import is_plain
from harness.memory.methods import replaced
from harness.memory.modes import Mode
from harness.memory.unwritten import Unwritten

_OF_OTHERS = tuple(os.path.dirname(str(module.__file__)) + os.sep for module in (torch, triton))
_PLACEMENT = os.path.join(os.path.dirname(os.path.dirname(__file__)), "host", "placement.py")
HELPERS = (*_OF_OTHERS, _PLACEMENT)
"""Code that merely passes on what its caller asked for: torch, Triton, and what puts tensors on the CPU."""
_MODES = ("__torch_function__", "__torch_dispatch__")
"""So does a mode of torch's (torch.overrides, torch.utils._python_dispatch), whosever it is."""
_ORACLE = os.path.dirname(__file__) + os.sep

_OVERWRITERS = frozenset(
    {"copy_", "fill_", "zero_", "index_put_", "_index_put_impl_", "scatter_", "index_copy_", "index_fill_"}
    | {"masked_fill_", "masked_scatter_", "normal_", "uniform_", "random_", "exponential_", "bernoulli_"}
    | {"set_", "resize_", "resize_as_"}
)
"""Operations that write their first tensor, or parts of it, without reading it; unless they accumulate."""
_DIRECT = ("numpy", "tolist", "__array__", "__dlpack__", "__reduce_ex__")
"""Methods that hand memory out without any operation."""
_ADDRESS = "data_ptr"

PATCHES = ("torch dispatch mode OperationReads", *(f"torch.Tensor.{name}" for name in (*_DIRECT, _ADDRESS)))

Lookup = Callable[[torch.Tensor], Unwritten | None]
"""What the allocation under a tensor was filled with, if it was poisoned when it was made."""


class Reads:
    """Tells `read` of the first read of poison in one run; `unwritten` knows the poisoned allocations."""

    def __init__(self, unwritten: Lookup, read: Callable[[], None]) -> None:
        self._unwritten = unwritten
        self._read = read

    def operation(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], frame: FrameType) -> None:
        """Look at what an operation of torch reads; the oracle's own do not count."""
        tensors = list(_read_by(func, args, kwargs))
        if tensors and not asked_by(frame, _ORACLE):
            self.look(tensors)

    def look(self, tensors: Sequence[Any]) -> None:
        """Say that these tensors are read."""
        for tensor in tensors:
            if (unwritten := self._unwritten(tensor)) and unwritten.within(tensor):
                self._read()
                return

    def held(self, tensor: torch.Tensor) -> Unwritten | None:
        """The poison that a launch with this tensor could load from it."""
        unwritten = self._unwritten(tensor)
        return unwritten if unwritten and unwritten.within(tensor) else None

    @contextlib.contextmanager
    def watched(self, roots: tuple[str, ...]) -> Iterator[None]:
        """Watch whatever asks torch for memory, within the code under test below `roots` and without."""
        with contextlib.ExitStack() as stack:
            for name in _DIRECT:
                stack.enter_context(_direct(name, self, lambda frame: not asked_by(frame, _ORACLE)))
            stack.enter_context(
                _direct(_ADDRESS, self, lambda frame: frame.f_code.co_filename.startswith(roots))
            )
            stack.enter_context(_OperationReads(self))
            yield


def asker(frame: FrameType | None) -> FrameType | None:
    """The frame that asked for what this one does: the first that does not merely pass it on."""
    while frame is not None and (
        frame.f_code.co_filename.startswith(HELPERS) or frame.f_code.co_name in _MODES
    ):
        frame = frame.f_back
    return frame


def asked_by(frame: FrameType | None, folder: str) -> bool:
    """Whether the code that asked for what this frame does lies in a folder."""
    frame = asker(frame)
    return frame is not None and frame.f_code.co_filename.startswith(folder)


def _read_by(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[torch.Tensor]:
    """The tensors of a call whose elements the operation reads."""
    reads, overwrites = _manner(func)
    if not reads:
        return
    skips = 1 if overwrites and not _accumulates(func, args, kwargs) else 0
    given = [*args[skips:], *(value for key, value in kwargs.items() if key != "out")]
    for value in given:
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, torch.Tensor) and one.layout == torch.strided and one.device.type == "cpu":
                yield one


@functools.cache
def _manner(func: Any) -> tuple[bool, bool]:
    """Whether an operation reads elements at all, and whether it may overwrite its first tensor."""
    name = func.overloadpacket.__name__
    reads = not (func.is_view or name in ALLOCATORS or name.endswith(("_like", "detach")))
    return reads, name in _OVERWRITERS


def _accumulates(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    names = [argument.name for argument in func._schema.arguments]
    bound = {**dict(zip(names, args, strict=False)), **kwargs}
    return bool(bound.get("accumulate") or bound.get("reduce"))


class _OperationReads(Mode):
    heeds_oracle = False

    def __init__(self, reads: Reads) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reads = reads

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        self._reads.operation(func, args, kwargs or {}, sys._getframe(1))
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def told_by_another() -> Iterator[None]:
    """Have the mode of `watched`, where it is the innermost, wait outside of a block in which another tells.

    It would see each operation once more, and each that the other one needs for itself.
    """
    in_force = _get_current_dispatch_mode_stack()
    is_next = bool(in_force) and isinstance(in_force[-1], _OperationReads)
    with _pop_mode_temporarily() if is_next else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _direct(name: str, reads: Reads, counts: Callable[[FrameType], bool]) -> Iterator[None]:
    """Have a method of tensors tell that it is asked for, where it `counts` by the frame that asks."""
    original = getattr(torch.Tensor, name)

    @functools.wraps(original)
    def told(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if counts(sys._getframe(1)) and is_plain(self):
            with _disable_current_modes():
                reads.look([self])
        return original(self, *args, **kwargs)

    with replaced(name, told):
        yield

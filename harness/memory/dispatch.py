"""Sees every torch operation that code under test asks for: allocations and indexing."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch

from harness.memory import hardware, indexing
from harness.memory.allocations import ALLOCATORS, allocated
from harness.memory.fences import Fenced, is_plain
from harness.memory.indexing import READERS, Indexing
from harness.memory.modes import Mode, unheeded
from harness.memory.names import name_of, name_to_be
from harness.memory.poison import Poison
from harness.memory.reads import Reads, asker, told_by_another
from harness.memory.stores import Stores
from harness.memory.violations import Violations, Where
from harness.observation import Fault

PATCHES = ("torch dispatch mode TorchChecks", "torch.take_along_dim", "torch.Tensor.take_along_dim")

Handler = Callable[[Any, Sequence[Any], Mapping[str, Any], FrameType], Any]


class TorchChecks(Mode):
    """Watches what code under `roots` asks torch for; what others ask for passes unseen.

    With `stores` it also says which of several stores to one element counts.

    With `as_hardware` an operation with stray indices goes on with unchecked arithmetic, and
    otherwise as torch does, which on a CPU mostly means that it raises.
    """

    heeds_oracle = False

    def __init__(
        self,
        roots: tuple[str, ...],
        violations: Violations,
        events: list[dict[str, Any]] | None,
        fences: Fenced,
        *,
        as_hardware: bool = True,
        poison: Poison | None = None,
        reads: Reads | None = None,
        stores: Stores | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._roots = tuple(root.rstrip(os.sep) + os.sep for root in roots)
        self._violations = violations
        self._events = events
        self._fences = fences
        self._as_hardware = as_hardware
        self._poison = poison or Poison()
        self._reads = reads
        self._stores = stores
        self._handlers: dict[Any, Handler | None] = {}

    @property
    def tells(self) -> bool:
        """Whether it says of every operation what that reads."""
        return self._reads is not None

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if self._reads:
            self._reads.operation(func, args, named, sys._getframe(1))
        handler = self._handler(func)
        frame = self._caller(sys._getframe(1)) if handler else None
        if handler is None or frame is None:
            return self._plainly(func, args, named)
        return handler(func, args, named, frame)

    def _handler(self, func: Any) -> Handler | None:
        if func not in self._handlers:
            self._handlers[func] = self._choose(func) if func.namespace == "aten" else None
        return self._handlers[func]

    def _choose(self, func: Any) -> Handler | None:
        name = func.overloadpacket.__name__
        if name in ALLOCATORS:
            return self._allocate
        return self._index if name.removesuffix(hardware.IN_PLACE) in READERS else None

    def _caller(self, frame: FrameType | None) -> FrameType | None:
        """The frame that asked for the operation, if it is code under test."""
        frame = asker(frame)
        return frame if frame is not None and frame.f_code.co_filename.startswith(self._roots) else None

    # --- allocations -----------------------------------------------------------------------

    def _allocate(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], frame: FrameType) -> Any:
        with unheeded():
            return allocated(func, args, kwargs, self._fences, name_to_be(frame), self._poison)

    def _plainly(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        try:
            return func(*args, **kwargs)
        except RuntimeError as error:
            # A fenced storage has no allocator of torch's behind it.
            fenced = [
                value
                for value in (*args[:1], *kwargs.values())
                if is_plain(value) and self._fences.holds(value)
            ]
            if "not resizable" not in str(error) or not fenced:
                raise
            for tensor in fenced:
                self._fences.release(tensor)
            return func(*args, **kwargs)

    # --- indexing --------------------------------------------------------------------------

    def _index(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], frame: FrameType) -> Any:
        name = func.overloadpacket.__name__
        found = list(READERS[name.removesuffix(hardware.IN_PLACE)](args))
        buffer = self.named(args[0], frame)
        if not all(one.in_range for one in found):
            result = self._violation(func, found, args, kwargs, buffer, frame)
        elif self._stores is not None and hardware.collides(name, found, args, kwargs):
            result = self._carried(func, found, args, kwargs).result
        else:
            result = self._plainly(func, args, kwargs)
        if self._events is not None:
            self._events.append(indexing.event(name, buffer, found, args, result))
        return result

    def _violation(
        self, func: Any, found: Sequence[Indexing], args: Sequence[Any], kwargs: Mapping[str, Any],
        buffer: str | None, frame: FrameType,
    ) -> Any:  # fmt: skip
        name = func.overloadpacket.__name__
        self.report(found, name, buffer, frame)
        if not self._as_hardware:
            return func(*args, **kwargs)
        carried = self._carried(func, found, args, kwargs)
        if carried.violation.numel():
            kind = "oob-write" if carried.writes else "oob-read"
            whole = buffer.removesuffix("[...]") if buffer else None
            fault = Fault(kind=kind, buffer=whole, kernel=name, numel=carried.numel)
            self._violations.access(fault, indexing.as_elements(carried.violation), _where(frame))
        return carried.result

    def _carried(
        self, func: Any, found: Sequence[Indexing], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> hardware.Carried:
        name = func.overloadpacket.__name__
        return hardware.carry_out(func, name, found, args, kwargs, self._poison, self._stores)

    def named(self, tensor: torch.Tensor, frame: FrameType) -> str | None:
        return name_of(tensor, frame) or self._fences.name_of(tensor)

    def report(self, found: Sequence[Indexing], name: str, buffer: str | None, frame: FrameType) -> None:
        """Report the indices that lie outside their dimension."""
        for one in found:
            if not one.in_range:
                fault = Fault(kind="index-range", buffer=buffer, kernel=name, numel=one.extent)
                self._violations.index(fault, one.violations(), _where(frame))

    def along_dim(
        self, tensor: torch.Tensor, indices: torch.Tensor, dim: int | None, asked: FrameType
    ) -> None:
        """Check `take_along_dim`, which torch turns into a gather of indices modulo the extent."""
        frame = self._caller(asked)
        if frame is None:
            return
        with torch.utils._python_dispatch._disable_current_modes():
            args = (tensor.reshape(-1), 0, indices.reshape(-1)) if dim is None else (tensor, dim, indices)
            found = list(READERS["take_along_dim"](args))
            self.report(found, "take_along_dim", self.named(tensor, frame), frame)


def _where(frame: FrameType) -> Where:
    return Where(f"{frame.f_code.co_qualname}:{frame.f_lineno}")


@contextmanager
def checked(checks: TorchChecks) -> Iterator[None]:
    """Watch torch in this process for as long as the block runs."""
    with contextlib.ExitStack() as stack:
        for owner in (torch, torch.Tensor):
            stack.enter_context(_along_dim(owner, checks))
        if checks.tells:
            stack.enter_context(told_by_another())
        stack.enter_context(checks)
        yield


@contextmanager
def _along_dim(owner: Any, checks: TorchChecks) -> Iterator[None]:
    original = owner.take_along_dim

    def take_along_dim(
        input: torch.Tensor, indices: torch.Tensor, dim: int | None = None, **named: Any
    ) -> Any:
        checks.along_dim(input, indices, dim, sys._getframe(1))
        return original(input, indices, dim, **named)

    owner.take_along_dim = take_along_dim
    try:
        yield
    finally:
        owner.take_along_dim = original

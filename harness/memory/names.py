"""Finds the variable or attribute a tensor is bound to, by looking up the call stack."""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import torch
from triton import runtime as launcher

DEPTH = 12
"""Frames looked at: from a launch up to the caller that owns the buffers."""
PART = "[...]"
"""Behind the name of a larger buffer: a view of it."""
_ITEMS = 256
"""Entries looked at of a list or dictionary that an attribute or variable holds."""

Extent = tuple[int, int]
Binding = tuple[str, Any]


address_of = torch.Tensor.data_ptr
"""As it is without `reads`, whom it does not concern what the oracle itself asks for."""


def _extent(tensor: torch.Tensor) -> Extent:
    """First byte and number of bytes from the first to the last element."""
    if tensor.layout == torch.strided and tensor.is_contiguous():
        return address_of(tensor), tensor.numel() * tensor.element_size()
    span = sum((size - 1) * abs(stride) for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return address_of(tensor), (span + 1) * tensor.element_size() if tensor.numel() else 0


_LAUNCHER = str(Path(launcher.__file__).parent)
"""Where Triton's own frames are. Whether those hold arguments by place or by name depends on its version."""


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(DEPTH):
        if frame is None:
            return
        if not frame.f_code.co_filename.startswith(_LAUNCHER):
            yield frame
        frame = frame.f_back


@dataclass(frozen=True)
class Known:
    """Tensors whose names are known to a frame that has this among its locals; a name may come twice."""

    bindings: tuple[tuple[str, torch.Tensor], ...] = ()


NAMELESS = Known()


_NO_OWNERS = (torch.Tensor, type, ModuleType)
_SEQUENCES = (list, tuple)


def _attributes(owner: object) -> Iterator[Binding]:
    if isinstance(owner, Known):
        yield from owner.bindings
        return
    fields = getattr(owner, "__dict__", None)
    if isinstance(fields, dict):
        yield from list(fields.items())
        if isinstance(owner, torch.nn.Module):
            yield from [*fields["_parameters"].items(), *fields["_buffers"].items()]


def _bindings(frame: FrameType) -> Iterator[Binding]:
    """Attributes of this frame's objects first: they outlive it, so they are the better name."""
    # The compiler keeps values of its own among the locals, under names that no code could use.
    local_values = [(name, value) for name, value in frame.f_locals.items() if name.isidentifier()]
    for _, value in local_values:
        if not isinstance(value, _NO_OWNERS):
            yield from _attributes(value)
    yield from local_values


def _items(frame: FrameType) -> Iterator[Binding]:
    """The entries of what this frame's bindings hold: a pool's layers, a dictionary of buffers."""
    for name, value in _bindings(frame):
        if isinstance(value, _SEQUENCES):
            yield from ((f"{name}[{index}]", item) for index, item in enumerate(value[:_ITEMS]))
        elif isinstance(value, dict) and len(value) <= _ITEMS:
            yield from ((key, item) for key, item in list(value.items()) if isinstance(key, str))


def _tensors(
    frame: FrameType | None, bindings: Callable[[FrameType], Iterator[Binding]]
) -> Iterator[tuple[str, torch.Tensor]]:
    for candidate in _frames(frame):
        for name, value in bindings(candidate):
            if isinstance(value, torch.Tensor) and not name.startswith("__"):
                yield name, value


Found = tuple[int, str]
"""A binding's place among those that were looked at, and its name."""


class Bindings:
    """What tensors are bound to in a frame and its callers': looked at once, and as far as is asked for."""

    def __init__(self, frame: FrameType | None) -> None:
        self._rest = chain(_tensors(frame, _bindings), _tensors(frame, _items))
        self._seen: list[tuple[str, Extent, torch.Tensor]] = []
        self._by_object: dict[int, Found] = {}
        self._by_memory: dict[Extent, Found] = {}

    def name_of(self, tensor: torch.Tensor) -> str | None:
        """The innermost binding that is exactly this memory, or else one of which it is a part.

        A view of a larger buffer is named after the buffer, with `[...]` behind it. A tensor without
        elements has no memory, so only a binding of the object itself counts.
        """
        wanted = _extent(tensor)
        while (found := self._exactly(tensor, wanted)) is None:
            if not self._look():
                return self._partly(wanted)
        return found

    def _exactly(self, tensor: torch.Tensor, wanted: Extent) -> str | None:
        found = [self._by_object.get(id(tensor)), self._by_memory.get(wanted) if wanted[1] else None]
        return min((one for one in found if one is not None), default=(0, None))[1]

    def _partly(self, wanted: Extent) -> str | None:
        first, length = wanted
        for name, (start, size), _ in self._seen if length else ():
            if start <= first and first + length <= start + size:
                return f"{name}{PART}"
        return None

    def _look(self) -> bool:
        """Look at one binding more, if there is one."""
        for name, value in self._rest:
            extent, found = _extent(value), (len(self._seen), name)
            self._seen.append((name, extent, value))
            self._by_object.setdefault(id(value), found)
            self._by_memory.setdefault(extent, found)
            return True
        return False


def names_of(tensors: Sequence[torch.Tensor], frame: FrameType | None = None) -> list[str | None]:
    """For each tensor what it is bound to in this frame, else in its callers': see `Bindings.name_of`."""
    bindings = Bindings(frame or sys._getframe(1))
    return [bindings.name_of(tensor) for tensor in tensors]


def name_of(tensor: torch.Tensor, frame: FrameType | None = None) -> str | None:
    """`names_of` for one tensor."""
    return names_of([tensor], frame or sys._getframe(1))[0]


# --- the name that is about to be given ----------------------------------------------------

_OUTWARD = object()


def name_to_be(frame: FrameType | None) -> str | None:
    """What the call that this frame is in will be bound to: the next name its code stores to.

    Looks through returns and comprehensions, so that `self.rows = allocate()` names what
    `allocate` makes.
    """
    for candidate in _frames(frame):
        found = _next_store(candidate.f_code, candidate.f_lasti)
        if found is not _OUTWARD:
            return str(found) if found is not None else None
    return None


_LEAVES = ("RETURN_", "YIELD_", "LIST_APPEND", "SET_ADD", "MAP_ADD")
_OPERANDS_ABOVE = {"STORE_ATTR": 1, "STORE_SUBSCR": 2}
"""What lies on the stack above the value that is stored; for the other stores nothing does."""


@lru_cache(maxsize=4096)
def _next_store(code: CodeType, after: int) -> object:
    """The name that the value of the call at `after` is stored to.

    `_OUTWARD` if it leaves the function instead, None if it is dropped. A value that goes into an
    expression is followed as the expression's.
    """
    above, previous = 0, None  # values on the stack above the one that is followed
    for instruction in dis.get_instructions(code):
        if instruction.offset <= after:
            continue
        name = instruction.opname
        if name.startswith(("STORE_", "POP_TOP", *_LEAVES)) and above == _OPERANDS_ABOVE.get(name, 0):
            return _stored(instruction, previous)
        if name == "BUILD_CONST_KEY_MAP" and 0 < above <= instruction.argval:
            # A dictionary's values lie in the order of its keys, which are a constant on top of them.
            key = previous[instruction.argval - above] if isinstance(previous, tuple) else None
            return key if isinstance(key, str) else None
        above = _above(instruction, above)
        previous = instruction.argval
    return None


def _stored(instruction: dis.Instruction, previous: object) -> object:
    if instruction.opname.startswith(_LEAVES):
        return _OUTWARD
    if instruction.opname == "POP_TOP":
        return None
    name = previous if instruction.opname == "STORE_SUBSCR" else instruction.argval
    first = name[0] if isinstance(name, tuple) else name
    return first if isinstance(first, str) else None


def _above(instruction: dis.Instruction, above: int) -> int:
    if instruction.opname == "SWAP" and instruction.arg is not None:
        deepest = instruction.arg - 1
        return {0: deepest, deepest: 0}.get(above, above)
    return max(0, above + dis.stack_effect(instruction.opcode, instruction.arg, jump=False))

"""Which torch operations allocate, and how each is done inside a fence."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch

from harness.memory.fences import Fenced, Like, Shape, is_plain
from harness.memory.poison import Poison

_EMPTY = frozenset({"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"})
_ZEROS = frozenset({"zeros", "zeros_like", "new_zeros"})
_COPIED = frozenset(
    {
        *("arange", "eye", "linspace", "logspace", "randperm", "scalar_tensor", "lift_fresh"),
        *("full", "ones", "rand", "randint", "randn"),
        *("full_like", "ones_like", "rand_like", "randint_like", "randn_like"),
        *("new_full", "new_ones"),
    }
)
ALLOCATORS = _EMPTY | _ZEROS | _COPIED
"""By the operation's name in torch's `aten`; what `torch.tensor` makes arrives as `lift_fresh`."""

SHAPES_KEPT = 1024
POISONED_BYTES = 1 << 28
"""Larger empty buffers keep what the system gave: writing them would take the memory for real."""


def allocated(
    func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], fences: Fenced, name: str | None,
    poison: Poison,
) -> Any:  # fmt: skip
    """Run an allocating operation so that its result lies inside a fence, where that is possible."""
    operation = func.overloadpacket.__name__
    if reason := _unfit(args, kwargs, fences):
        fences.leave_out(reason)
        return func(*args, **kwargs)
    if operation in _COPIED:
        return _copied(func(*args, **kwargs), fences, name)
    shape = _shape_of(func, args, kwargs)
    if not (shape.plain and shape.numel()):
        _note_unless_empty(shape, fences)
        return func(*args, **kwargs)
    tensor = fences.allocate(shape, name)
    if operation in _EMPTY:
        _poison(tensor, fences, poison)
    return tensor


def _copied(made: Any, fences: Fenced, name: str | None) -> Any:
    """A tensor moved inside a fence."""
    if is_plain(made) and made.numel():
        return fences.allocate(made, name).copy_(made)
    _note_unless_empty(made, fences)
    return made


def _note_unless_empty(made: Like, fences: Fenced) -> None:
    if made.numel():
        fences.leave_out("not a plain tensor")


def _unfit(args: Sequence[Any], kwargs: Mapping[str, Any], fences: Fenced) -> str | None:
    device = kwargs.get("device") or (args[0].device if args and isinstance(args[0], torch.Tensor) else None)
    if reason := fences.outside(torch.device(device) if device is not None else None):
        return reason
    if kwargs.get("pin_memory"):
        return "in pinned memory"
    if kwargs.get("layout") not in (None, torch.strided) or kwargs.get("out") is not None:
        return "not a strided tensor of its own"
    return (
        None if all(is_plain(arg) for arg in args if isinstance(arg, torch.Tensor)) else "not a plain tensor"
    )


_shapes: dict[Hashable, Shape] = {}


def _shape_of(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Shape:
    """What the operation would make, without the memory."""
    named = {key: value for key, value in kwargs.items() if key not in ("pin_memory", "device")}
    try:
        facts = tuple([(key, _fact(value)) for key, value in (*enumerate(args), *named.items())])
    except TypeError:
        return _shape(func, args, named)
    key = func, facts, torch.get_default_dtype()
    if (known := _shapes.get(key)) is None:
        if len(_shapes) >= SHAPES_KEPT:
            _shapes.clear()
        known = _shapes[key] = _shape(func, args, named)
    return known


def _shape(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Shape:
    made = func(*args, **kwargs, device=torch.device("meta"))
    return Shape(made.shape, made.stride(), made.dtype, plain=is_plain(made))


_SEVERAL = (list, tuple)
_FACTS = (int, torch.dtype, torch.layout, torch.memory_format)


def _fact(value: Any) -> Hashable:
    """All that a shape can depend on of an argument. TypeError for one of which nobody knows that."""
    if isinstance(value, torch.Tensor):
        return value.shape, value.stride(), value.dtype
    if isinstance(value, _SEVERAL):
        return tuple([_fact(one) for one in value])
    if value is None or isinstance(value, _FACTS):
        return value.__class__, value
    raise TypeError


def _poison(tensor: torch.Tensor, fences: Fenced, poison: Poison) -> None:
    if tensor.untyped_storage().nbytes() > POISONED_BYTES:
        fences.leave_out(f"more than {POISONED_BYTES >> 20} MiB, fenced but not poisoned")
        return
    memory = tensor.as_strided((tensor.untyped_storage().nbytes() // tensor.element_size(),), (1,), 0)
    poison.fill(memory)
    fences.poisoned(tensor, poison)

"""Which torch operations allocate, and how each is done inside a fence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from harness.memory.fences import Fenced, is_plain
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
    made = func(*args, **kwargs) if operation in _COPIED else _shape_of(func, args, kwargs)
    if not is_plain(made) or not made.numel():
        if made.numel():
            fences.leave_out("not a plain tensor")
        return made if operation in _COPIED else func(*args, **kwargs)
    tensor = fences.allocate(made, name)
    if operation in _COPIED:
        tensor.copy_(made)
    elif operation in _EMPTY:
        _poison(tensor, fences, poison)
    return tensor


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


def _shape_of(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What the operation would make, without the memory."""
    named = {key: value for key, value in kwargs.items() if key != "pin_memory"}
    return func(*args, **{**named, "device": torch.device("meta")})


def _poison(tensor: torch.Tensor, fences: Fenced, poison: Poison) -> None:
    if tensor.untyped_storage().nbytes() > POISONED_BYTES:
        fences.leave_out(f"more than {POISONED_BYTES >> 20} MiB, fenced but not poisoned")
        return
    memory = tensor.as_strided((tensor.untyped_storage().nbytes() // tensor.element_size(),), (1,), 0)
    poison.fill(memory)
    fences.poisoned(tensor, poison)

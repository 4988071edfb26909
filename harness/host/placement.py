"""Where torch makes tensors on a machine without an accelerator: on the CPU, in memory that is not pinned."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import overrides
from torch.utils import _device

_MAKERS = ("tensor", "arange", "empty", "full", "ones", "zeros")
"""What makes tensors, by the names in `torch`."""

Maker = Callable[..., torch.Tensor]


def put(mark: Callable[[torch.Tensor], torch.Tensor]) -> list[str]:
    """Have torch make tensors on the CPU in this process from here on, and `mark` what was to be pinned.

    Code may have CUDA in its own text, as a device by name or as the default one of a block. Returns what
    the attestation says of it.
    """
    _device._device_constructors()  # torch remembers what obeys a `with` block: these, and not ours
    for name in _MAKERS:
        setattr(torch, name, _here(unpinned(getattr(torch, name), mark)))
    return [f"torch.{name}: on the CPU, and pins no memory" for name in _MAKERS]


def unpinned(make: Maker, mark: Callable[[torch.Tensor], torch.Tensor] = lambda made: made) -> Maker:
    """A function of torch that makes a tensor, without its `pin_memory`: nothing copies from the host's."""

    @functools.wraps(make)
    def made(*args: Any, pin_memory: bool = False, **kwargs: Any) -> torch.Tensor:
        tensor = make(*args, **kwargs)
        return mark(tensor) if pin_memory else tensor

    return made


def _of_block() -> torch.device | None:
    """The device of the innermost `with torch.device(…)` around the caller."""
    modes = reversed(overrides._get_current_function_mode_stack())
    return next((mode.device for mode in modes if isinstance(mode, _device.DeviceContext)), None)


def _here(make: Maker) -> Maker:
    """The same, on the CPU where CUDA is asked for."""

    @functools.wraps(make)
    def made(*args: Any, device: Any = None, **kwargs: Any) -> torch.Tensor:
        asked = device if device is not None else _of_block()
        absent = asked is not None and torch.device(asked).type == "cuda"
        return make(*args, **kwargs, device="cpu" if absent else device)

    return made

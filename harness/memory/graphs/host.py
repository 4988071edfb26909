"""Which tensors are the host's own, on a machine where all memory is the host's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_map

from harness.memory.graphs import stage
from harness.memory.graphs.aliases import tensors_in

_MARK = "refault_on_host"


def on_host(tensor: torch.Tensor) -> torch.Tensor:
    """Say that the memory under this tensor would be the host's beside a device; returns the tensor."""
    setattr(tensor.untyped_storage(), _MARK, True)
    return tensor


def is_on_host(tensor: torch.Tensor) -> bool:
    """Whether a tensor was said to be the host's, or was made of such tensors, or of Python's values."""
    return tensor.layout == torch.strided and hasattr(tensor.untyped_storage(), _MARK)


def as_parameters(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, Any]:
    """A call's arguments as a device gets them: a single number of the host's becomes a constant.

    CaptureError where an operation of the device would read more of the host's memory: the copy could not
    be waited for, and a replay would read whatever stands there by then.
    """
    if any(map(_is_read_from_host, tensors_in(args, kwargs))):
        stage.decline(f"{name} of a tensor in the host's memory")
    return tree_map(lambda leaf: leaf.clone() if _is_number(leaf) else leaf, (args, kwargs))  # type: ignore[no-any-return]


def _is_read_from_host(tensor: torch.Tensor) -> bool:
    return tensor.dim() > 0 and is_on_host(tensor)


def _is_number(leaf: object) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.dim() == 0 and is_on_host(leaf)

"""Finds the variable or attribute a tensor is bound to, by looking up the call stack."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import torch

DEPTH = 12
"""Frames looked at: from a launch up to the caller that owns the buffers."""


def _extent(tensor: torch.Tensor) -> tuple[int, int]:
    """First byte and number of bytes from the first to the last element."""
    span = sum((size - 1) * abs(stride) for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.data_ptr(), (span + 1) * tensor.element_size() if tensor.numel() else 0


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(DEPTH):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _attributes(owner: object) -> Iterator[tuple[str, Any]]:
    fields = getattr(owner, "__dict__", None)
    if isinstance(fields, dict):
        yield from fields.items()


def _bindings(frame: FrameType) -> Iterator[tuple[str, Any]]:
    """Attributes of this frame's objects first: they outlive it, so they are the better name."""
    local_values = list(frame.f_locals.items())
    for _, value in local_values:
        if not isinstance(value, torch.Tensor | type):
            yield from _attributes(value)
    yield from local_values


def name_of(tensor: torch.Tensor, frame: FrameType | None = None) -> str | None:
    """The innermost binding that is exactly this memory, or else a part of which it is.

    A view of a larger buffer is named after the buffer, with `[...]` behind it.
    """
    wanted = _extent(tensor)
    partial: str | None = None
    for candidate in _frames(frame or sys._getframe(1)):
        for name, value in _bindings(candidate):
            if not isinstance(value, torch.Tensor) or name.startswith("__"):
                continue
            start, size = _extent(value)
            if (start, size) == wanted:
                return name
            if partial is None and start <= wanted[0] and wanted[0] + wanted[1] <= start + size:
                partial = f"{name}[...]"
    return partial

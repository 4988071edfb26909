"""Finds the live tensor that an address was taken from.

Kernels that serve many buffers at once get a table of addresses. An address in it has no
argument of the launch behind it, but there is a tensor somewhere that it points into. The
interpreter's collector knows all tensors, but keeps those to itself that it was told to freeze.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class _Span:
    start: int
    end: int
    tensor: torch.Tensor


def _objects() -> list[Any]:
    """What the collector tracks, also what was frozen: upstream's servers freeze, from 0.5.18 on.

    `gc.get_objects` leaves frozen objects out (Python's manual, `gc.freeze`), and a pool that it does
    not tell of would pass for memory that is gone. Thawing them only has the collector look at them again.
    """
    if gc.get_freeze_count():
        gc.unfreeze()
    return gc.get_objects()


def _tensors(objects: Iterable[Any]) -> list[torch.Tensor]:
    # type(), because isinstance() would ask proxies and lazy modules what they stand for. There are half a
    # million objects at each launch: identity of types is the quickest question that tells.
    plain, parameter = torch.Tensor, torch.nn.Parameter
    return [value for value in objects if (kind := type(value)) is plain or kind is parameter]


def _spans(objects: Iterable[Any]) -> Iterator[_Span]:
    for value in _tensors(objects):
        if value.device.type != "cpu" or value.layout != torch.strided or not value.numel():
            continue
        start = value.data_ptr()
        reach = sum((size - 1) * stride for size, stride in zip(value.shape, value.stride(), strict=True))
        yield _Span(start, start + (reach + 1) * value.element_size(), value)


class LiveTensors:
    """The tensors of this process at one moment, or those among some objects."""

    def __init__(self, among: Iterable[Any] | None = None) -> None:
        self._spans = list(_spans(_objects() if among is None else among))

    def at(self, address: int) -> torch.Tensor | None:
        """The largest tensor that begins at this address, else the smallest that holds it."""
        beginning = [span for span in self._spans if span.start == address]
        if beginning:
            return max(beginning, key=lambda span: span.end).tensor
        holding = [span for span in self._spans if span.start < address < span.end]
        return min(holding, key=lambda span: span.end - span.start).tensor if holding else None

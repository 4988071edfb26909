"""Finds the live tensor that an address was taken from.

Kernels that serve many buffers at once get a table of addresses. An address in it has no
argument of the launch behind it, but there is a tensor somewhere that it points into. The
interpreter's collector knows all tensors, but keeps those to itself that it was told to freeze.
"""

from __future__ import annotations

import gc
import operator
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

_call: Callable[[Any], Any] = operator.call
LOOSE = 100_000
"""So many objects are asked what they are at each launch; beyond that they are put aside as well."""


class _Mark:
    """Lies among the objects that were made since the last time that all were looked at."""


class Collected:
    """The tensors that the collector knows of, asked for at each launch and looked for once.

    Modules are half a million objects, and to ask them all takes longer than most launches. So they are
    frozen once they were looked at, with everything else that there is then: `gc.get_objects` leaves
    frozen objects out (Python's manual, `gc.freeze`), and the few tensors among them are kept by weak
    references, those of a class of their own too, which may become plain ones. What it still tells of is all
    that was made since, which is looked at each time.

    Others freeze too (upstream's servers, from 0.5.18 on), and a pool that nobody tells of would pass for
    memory that is gone. Whoever freezes takes along the mark that was made right after this did: where it
    is not among the objects told of, everything is thawed and looked at again. Others may thaw without harm.
    """

    def __init__(self) -> None:
        self._mark: object = None
        self._aside: list[weakref.ref[torch.Tensor]] = []

    def tensors(self) -> list[torch.Tensor]:
        """All plain tensors and parameters that are alive now."""
        objects = gc.get_objects()
        if len(objects) > LOOSE or not any(value is self._mark for value in objects):
            self._put_aside()
            objects = []
        aside = (reference() for reference in self._aside)
        return [*filter(_is_wanted, objects), *filter(_is_wanted, aside)]

    def _put_aside(self) -> None:
        gc.collect()  # what is garbage now would be kept for good
        enabled = gc.isenabled()
        gc.disable()
        try:
            # One step of C code, in which no other thread gets to run: what is frozen was told of.
            # A list of the results would be told of too, and hold itself alive.
            _, objects, _, self._mark = map(_call, (gc.unfreeze, gc.get_objects, gc.freeze, _Mark))
        finally:
            if enabled:
                gc.enable()
        self._aside = [weakref.ref(value) for value in objects if issubclass(type(value), torch.Tensor)]


def _is_wanted(value: object) -> bool:
    # type(), because isinstance() would ask proxies and lazy modules what they stand for.
    return type(value) in (torch.Tensor, torch.nn.Parameter)


@cache
def collected() -> Collected:
    """Those of this process, whose collector is one as well."""
    return Collected()


@dataclass(frozen=True)
class _Span:
    start: int
    end: int
    tensor: torch.Tensor


def _spans(among: Iterable[Any]) -> Iterator[_Span]:
    for value in filter(_is_wanted, among):
        if value.device.type != "cpu" or value.layout != torch.strided or not value.numel():
            continue
        start = value.data_ptr()
        reach = sum((size - 1) * stride for size, stride in zip(value.shape, value.stride(), strict=True))
        yield _Span(start, start + (reach + 1) * value.element_size(), value)


class LiveTensors:
    """The tensors of this process at one moment, or those among some objects."""

    def __init__(self, among: Iterable[Any] | None = None) -> None:
        self._spans = list(_spans(collected().tensors() if among is None else among))

    def at(self, address: int) -> torch.Tensor | None:
        """The largest tensor that begins at this address, else the smallest that holds it."""
        beginning = [span for span in self._spans if span.start == address]
        if beginning:
            return max(beginning, key=lambda span: span.end).tensor
        holding = [span for span in self._spans if span.start < address < span.end]
        return min(holding, key=lambda span: span.end - span.start).tensor if holding else None

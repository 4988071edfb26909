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
from functools import cache
from typing import Any, NamedTuple

import torch

from harness.memory.names import address_of

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
        found = _wanted(objects)
        if len(objects) > LOOSE or not any(value is self._mark for value in found):
            self._put_aside()
            found = []
        found += _wanted(reference() for reference in self._aside)
        return [value for value in found if isinstance(value, torch.Tensor)]

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


def _wanted(values: Iterable[Any]) -> list[Any]:
    """Plain tensors, parameters and marks among these."""
    # type(), because isinstance() would ask proxies and lazy modules what they stand for. Identity of types
    # is the quickest question that tells, and asks no metaclass.
    plain, parameter, mark = torch.Tensor, torch.nn.Parameter, _Mark
    return [value for value in values if (kind := type(value)) is plain or kind is parameter or kind is mark]


@cache
def collected() -> Collected:
    """Those of this process, whose collector is one as well."""
    return Collected()


class _Span(NamedTuple):
    start: int
    end: int
    tensor: torch.Tensor


def _spans() -> Iterator[_Span]:
    for value in collected().tensors():
        if value.is_cpu and value.layout == torch.strided and (numel := value.numel()):
            start, size = address_of(value), value.element_size()
            reach = numel if value.is_contiguous() else _reach(value)
            yield _Span(start, start + reach * size, value)


def _reach(tensor: torch.Tensor) -> int:
    """Elements from the first to the last."""
    return sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True)) + 1


class LiveTensors:
    """The tensors of this process at one moment."""

    def __init__(self) -> None:
        self._spans = list(_spans())

    def at(self, address: int) -> torch.Tensor | None:
        """The largest tensor that begins at this address, else the smallest that holds it."""
        beginning = [span for span in self._spans if span.start == address]
        if beginning:
            return max(beginning, key=lambda span: span.end).tensor
        holding = [span for span in self._spans if span.start < address < span.end]
        return min(holding, key=lambda span: span.end - span.start).tensor if holding else None

"""Handles and tensors of a launch, made without working out again what their types come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import triton.language as tl
from triton.runtime import interpreter

from harness.memory.plans import span

_Handle, _Tensor = interpreter.TensorHandle, tl.core.tensor
_original, _fits = _Handle.__init__, interpreter._validate_np_data_size
_MOST = 1 << 63
_fit: dict[str, int] = {}
"""By the name of a type, the most bytes of an element that were once found to fit."""


def handle(self: Any, data: Any, dtype: Any, attr: Any = None) -> None:
    """`TensorHandle.__init__`, which asks once for a type and a size whether they fit."""
    if attr is None and data.__class__ is np.ndarray and data.itemsize <= _fit.get(dtype.name, 0):
        self.data, self.dtype, self.attr = data, dtype, {}
        return
    _original(self, data, dtype, {} if attr is None else attr)
    if data.__class__ is np.ndarray:
        _fit[dtype.name] = max(data.itemsize, _fit.get(dtype.name, 0))


def fits(data: Any, dtype: Any) -> bool:
    """`_validate_np_data_size`, which asks once for a type and a size."""
    return data.itemsize <= _fit.get(dtype.name, 0) or bool(_fits(data, dtype))


class Arguments:
    """What the interpreter makes of a kernel's arguments; `plain` is how it does so itself."""

    def __init__(self, plain: Callable[[Any], Any]) -> None:
        self.plain = plain
        self._pointers: dict[Any, Any] = {}
        self._numbers: dict[tuple[int, int], tuple[Any, Any]] = {}

    def pointer(self, tensor: Any, address: int) -> Any:
        """A tensor's (or of one by another type: `TensorWrapper`), with another address."""
        if (type := self._pointers.get(tensor.dtype)) is None:
            type = self._pointers[tensor.dtype] = self.plain(tensor).type
        return _Tensor(_Handle(np.array([address], dtype=np.uint64), type), type)

    def value(self, value: Any) -> Any:
        """That of anything but a tensor."""
        if value.__class__ is not int or not -_MOST <= value < _MOST:
            return self.plain(value)
        ends = span(value)
        if (known := self._numbers.get(ends)) is None:
            made = self.plain(value)
            known = self._numbers[ends] = made.handle.data.dtype, made.type
        return _Tensor(_Handle(np.array([value], dtype=known[0]), known[1]), known[1])

"""Triton's reductions over arrays of several programs: every axis lies one further back.

The operations of numpy and their order are the interpreter's own, so that sums round alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import triton.language as tl
from triton.runtime import interpreter

from harness.memory.grid.axis import Array
from harness.memory.grid.signals import InOrder


class Reductions(interpreter.ReduceOps):  # type: ignore[misc]
    """A reduction whose input has a leading axis of programs."""

    def apply_impl(self, input: Any) -> Any:
        first, library = input[0], tl.standard
        if self.combine_fn == library._argmin_combine_tie_break_left:
            return self._value(np.min, first), self._place(np.argmin, first)
        if self.combine_fn == library._argmax_combine_tie_break_left:
            return self._value(np.max, first), self._place(np.argmax, first)
        if self.combine_fn == library._elementwise_max:
            return self._value(np.nanmax, first)
        if self.combine_fn == library._elementwise_min:
            return self._value(np.nanmin, first)
        if self.combine_fn == library._sum_combine:
            return self._value(np.sum, first)
        return self._combined(input)

    def _value(self, reduce: Callable[..., Array], given: Any) -> Any:
        data = given.handle.data
        axes = tuple(range(1, data.ndim)) if self.axis is None else self.axis + 1
        return _tensor(reduce(data, axis=axes, keepdims=self.keep_dims), given.dtype)

    def _place(self, find: Callable[..., Array], given: Any) -> Any:
        data = given.handle.data
        flat = data.reshape(len(data), -1) if self.axis is None else data
        found = find(flat, axis=1 if self.axis is None else self.axis + 1)
        return _tensor(self._kept(found, data.ndim), tl.int32)

    def _kept(self, reduced: Array, axes: int) -> Array:
        if not self.keep_dims:
            return reduced
        return np.expand_dims(reduced, tuple(range(1, axes)) if self.axis is None else self.axis + 1)

    def _combined(self, input: Any) -> list[Any]:
        """Fold along the axis with the kernel's own function, all other elements at once."""
        data = [given.handle.data for given in input]
        if self.axis is None and len(data) > 1:
            raise InOrder("a reduction of several blocks over all axes")
        flat = [one.reshape(len(one), -1) if self.axis is None else one for one in data]
        axis = 1 if self.axis is None else self.axis + 1
        lines = [np.moveaxis(one, axis, 0) for one in np.broadcast_arrays(*flat)]
        dtypes = [given.dtype for given in input]
        total = [np.array(line[0]) for line in lines]
        for at in range(1, len(lines[0])):
            self._fold(total, [line[at] for line in lines], dtypes)
        kept = [self._kept(one, data[0].ndim) for one in total]
        return [_tensor(one, dtype) for one, dtype in zip(kept, dtypes, strict=True)]

    def _fold(self, total: list[Array], row: list[Array], dtypes: list[Any]) -> None:
        given = zip([*total, *row], [*dtypes, *dtypes], strict=True)
        with interpreter.interpreter_builder.folding():
            told = self.combine_fn.fn(*(_scalars(one, dtype) for one, dtype in given))
        for kept, one in zip(total, told if isinstance(told, tuple) else (told,), strict=True):
            value = np.asarray(one.handle.data if isinstance(one, tl.core.tensor) else one)
            kept[...] = np.broadcast_to(value, (kept.size,)).reshape(kept.shape)


def _tensor(data: Array, dtype: Any) -> Any:
    shape = list(data.shape[1:])
    handle = interpreter.TensorHandle(data.astype(interpreter._get_np_dtype(dtype)), dtype.scalar)
    return tl.core.tensor(handle, tl.block_type(dtype, shape) if shape else dtype)


def _scalars(data: Array, dtype: Any) -> Any:
    """Elements, handed to a combining function as if each were the scalar of a program."""
    handle = interpreter.TensorHandle(data.ravel().astype(interpreter._get_np_dtype(dtype)), dtype.scalar)
    return tl.core.tensor(handle, dtype)

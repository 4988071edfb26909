"""The interpreter's operations on arrays of several programs.

Operations that work element by element are the interpreter's own, on aligned arrays. What is neither that nor
written here is refused, so that an operation of a later Triton runs program by program until it is known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import triton.language as tl
from triton.runtime import interpreter

from harness.memory.grid.axis import Array, aligned, of_shape, spread, together
from harness.memory.grid.signals import Crowded, Diverged, InOrder, Programs

CROWDED = 1 << 18
"""Elements of an array beyond which numpy's own time is what counts: more programs at once gain nothing."""

_Handle = interpreter.TensorHandle
_ELEMENTWISE = frozenset((
    "si_to_fp", "ui_to_fp", "fp_to_si", "fp_to_ui", "fp_ext", "fp_trunc", "int_cast", "fp_to_fp",
    "bitcast", "int_to_ptr", "ptr_to_int",
    "fadd", "fmul", "fdiv", "frem", "fsub", "mul", "precise_divf", "sdiv", "udiv", "srem", "urem",
    "add", "sub", "shl", "lshr",
    "minsi", "minui", "minimumf", "minnumf", "maxsi", "maxui", "maximumf", "maxnumf",
    "icmpSLE", "icmpSLT", "icmpSGE", "icmpSGT", "icmpULE", "icmpULT", "icmpUGE", "icmpUGT", "icmpEQ",
    "icmpNE",
    "fcmpOLT", "fcmpOGT", "fcmpOLE", "fcmpOGE", "fcmpOEQ", "fcmpONE", "fcmpULT", "fcmpUGT", "fcmpULE",
    "fcmpUGE", "fcmpUEQ", "fcmpUNE",
    "and", "xor", "or", "idiv", "ashr", "umulhi", "clampf", "select", "fma",
    "fabs", "cos", "exp", "exp2", "iabs", "floor", "ceil", "log", "log2", "precise_sqrt", "sqrt", "sin",
    "erf", "rsqrt",
))  # fmt: skip
_ALIKE = ("get_num_programs", "load", "store", "tensor_pointer_load", "tensor_pointer_store", "barrier")
"""Operations that do the same for one program and for several."""


class WholeGrid(interpreter.InterpreterBuilder):  # type: ignore[misc]
    """The interpreter's builder while several programs run at once: `programs`, each at its `places`.

    `places` is (n, 3), the place of each program in the grid.
    """

    programs: Programs
    places: Programs
    _folding = False

    # --- programs ------------------------------------------------------------------------------

    def create_get_program_id(self, axis: int) -> Any:
        return _Handle(_shared(self.places[:, axis].astype(np.int32)), tl.int32)

    def agreed(self, values: Array) -> Any:
        """The one value that all programs have, of an array of one each; else they part here."""
        if self._folding and len(values) > 1:
            raise InOrder("a function that combines elements asks for their values")
        found, ways = np.unique(values, return_inverse=True)
        if len(found) > 1:
            groups = [self.programs[ways == way] for way in range(len(found))]
            raise Diverged(sorted(groups, key=lambda group: int(group[0])))
        return found[0]

    @contextlib.contextmanager
    def folding(self) -> Iterator[None]:
        """While the block runs, the leading axis is that of elements to combine."""
        outer, self._folding = self._folding, True
        try:
            yield
        finally:
            self._folding = outer

    def made(self, data: Array) -> Array:
        """An array that was made, if it is not too large."""
        if data.size > CROWDED and len(data) > 1 and not self._folding:
            raise Crowded(max(1, CROWDED * len(data) // data.size))
        return data

    # --- memory --------------------------------------------------------------------------------

    def create_masked_load(self, ptrs: Any, mask: Any, other: Any, *rest: Any, **named: Any) -> Any:
        datas = spread(*(one.data for one in (ptrs, mask, other) if one is not None))
        ptrs, mask = _like(ptrs, self.made(datas[0])), _like(mask, datas[1])
        other = None if other is None else _like(other, datas[2])
        return super().create_masked_load(ptrs, mask, other, *rest, **named)

    def create_masked_store(self, ptrs: Any, value: Any, mask: Any, *rest: Any, **named: Any) -> Any:
        datas = spread(ptrs.data, value.data, _data(mask))
        mask = _Handle(datas[2], tl.int1)
        return super().create_masked_store(
            _like(ptrs, datas[0]), _like(value, datas[1]), mask, *rest, **named
        )

    def create_addptr(self, ptr: Any, offset: Any) -> Any:
        first, second = aligned(ptr.data, offset.data)
        return super().create_addptr(_like(ptr, first), _like(offset, second))

    def create_make_block_ptr(
        self, base: Any, shape: Any, strides: Any, offsets: Any, block_shape: Any, order: Any
    ) -> Any:
        return _BlockPointer(base, shape, strides, list(offsets), block_shape, order)

    def create_advance(self, ptr: Any, offsets: Sequence[Any]) -> Any:
        moved = [
            _Handle((old.data + by.data).astype(old.data.dtype), old.dtype)
            for old, by in zip(ptr.offsets, offsets, strict=True)
        ]
        return _BlockPointer(ptr.base, ptr.shape, ptr.strides, moved, ptr.block_shape, ptr.order)

    # --- shapes --------------------------------------------------------------------------------

    def create_make_range(self, ret_ty: Any, start: int, stop: int) -> Any:
        return _Handle(np.arange(start, stop, dtype=np.int32)[None], tl.int32)

    def create_splat(self, ret_ty: Any, arg: Any) -> Any:
        data = of_shape(arg.data, ret_ty.shape)
        dtype = interpreter._get_np_dtype(arg.dtype)
        return _Handle(np.array(self.made(data), dtype=dtype, order="C"), arg.dtype.scalar)

    def create_unsplat(self, arg: Any) -> Any:
        first = arg.data.reshape(len(arg.data), -1)[:, 0]
        return _Handle(np.array(first, dtype=interpreter._get_np_dtype(arg.dtype)), arg.dtype.scalar)

    def create_broadcast(self, arg: Any, shape: Any) -> Any:
        return _like(arg, self.made(of_shape(arg.data, shape)))

    def create_reshape(self, arg: Any, shape: Any, allow_reorder: bool) -> Any:
        return _like(arg, arg.data.reshape(len(arg.data), *shape))

    def create_expand_dims(self, arg: Any, axis: int) -> Any:
        return _like(arg, np.expand_dims(arg.data, axis + 1 if axis >= 0 else axis))

    def create_trans(self, arg: Any, perm: Any) -> Any:
        return _like(arg, np.transpose(arg.data, (0, *(axis + 1 for axis in perm))))

    def create_cat(self, lhs: Any, rhs: Any) -> Any:
        return _like(lhs, np.concatenate(together(lhs.data, rhs.data), axis=1))

    def create_join(self, lhs: Any, rhs: Any) -> Any:
        return _like(lhs, np.stack(spread(lhs.data, rhs.data), axis=-1))

    def create_split(self, val: Any) -> Any:
        return _like(val, val.data[..., 0]), _like(val, val.data[..., 1])

    def create_gather(self, src: Any, indices: Any, axis: int) -> Any:
        data, places = together(src.data, indices.data)
        return _like(src, np.take_along_axis(data, places, axis=axis + 1))

    # --- products ------------------------------------------------------------------------------

    def create_dot(self, a: Any, b: Any, d: Any, *rest: Any) -> Any:
        self.made(np.broadcast_to(d.data, (max(map(len, (a.data, b.data, d.data))), *d.data.shape[1:])))
        return super().create_dot(a, b, d, *rest)

    # --- what may fail -------------------------------------------------------------------------

    def create_assert(self, condition: Any, message: Any) -> None:
        if not condition.data.all():
            raise InOrder("an assertion that fails")

    def create_assume(self, condition: Any) -> None:
        self.create_assert(condition, "")


class _BlockPointer(interpreter.BlockPointerHandle):  # type: ignore[misc]
    """A block pointer whose base, sizes, strides and offsets are scalars of several programs."""

    def materialize_pointers(self, boundary_check: Any) -> tuple[Any, Any]:
        rank = len(self.block_shape)
        width = self.base.get_element_ty().primitive_bitwidth // 8
        pointers, inside = of_shape(self.base.data, self.block_shape), np.ones((1, *self.block_shape), bool)
        for axis, length in enumerate(self.block_shape):
            at = self.offsets[axis].data[:, None] + np.arange(length)
            at = at.reshape(len(at), *(length if one == axis else 1 for one in range(rank)))
            stride, size = aligned(self.strides[axis].data, at)[0], aligned(self.shape[axis].data, at)[0]
            pointers = pointers + (width * at * stride).astype(np.uint64)
            if axis in boundary_check:
                inside = inside & (at < size) & (at >= 0)
        pointers, inside = spread(pointers, inside)
        builder = interpreter.interpreter_builder
        return _Handle(builder.made(pointers), self.base.dtype.scalar), _Handle(inside, tl.int1)


def _like(handle: Any, data: Array) -> Any:
    return _Handle(data, handle.dtype.scalar) if data is not handle.data else handle


def _data(mask: Any) -> Array:
    return np.asarray(mask) if isinstance(mask, np.ndarray) else np.asarray(mask.data)


def _shared(values: Array) -> Array:
    return values[:1] if (values == values[0]).all() else values


def _elementwise(name: str) -> Callable[..., Any]:
    """The interpreter's operation, on arrays with axes alike."""

    def operation(self: Any, *given: Any) -> Any:
        handles = [one for one in given if isinstance(one, _Handle)]
        if len({one.data.ndim for one in handles}) > 1:
            datas = iter(aligned(*(one.data for one in handles)))
            given = tuple(_like(one, next(datas)) if isinstance(one, _Handle) else one for one in given)
        # Looked up now: while lanes are checked, some of these are theirs.
        return getattr(interpreter.InterpreterBuilder, name)(self, *given)

    return operation


def _refused(name: str) -> Callable[..., Any]:
    def operation(self: Any, *_: Any, **__: Any) -> Any:
        raise InOrder(name.removeprefix("create_"), always=True)

    return operation


def _complete() -> None:
    """Give the class all that the interpreter's has, refused where it is not known."""
    for name in (name for name in dir(interpreter.InterpreterBuilder) if name.startswith("create_")):
        operation = name.removeprefix("create_")
        if name not in vars(WholeGrid) and operation not in _ALIKE:
            setattr(WholeGrid, name, (_elementwise if operation in _ELEMENTWISE else _refused)(name))


_complete()

"""What Triton's language asks of tensors while several programs run at once: truth, number, reductions.

Everywhere else it is the interpreter's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import triton.language as tl
from triton.runtime import interpreter

from harness.memory.grid.builder import WholeGrid
from harness.memory.grid.reductions import Reductions
from harness.memory.grid.signals import InOrder

Original = Callable[..., Any]


def _whole() -> WholeGrid | None:
    """The builder, where several programs run at once now."""
    builder = interpreter.interpreter_builder
    return builder if isinstance(builder, WholeGrid) else None


def tensors(original: Original) -> Original:
    """`_patch_lang_tensor`, after which a tensor's truth, number and transpose are those of all programs."""

    def _patch_lang_tensor(tensor: Any, *scope: Any) -> None:
        original(tensor, *scope)
        told: dict[str, Any] = {"__bool__": _truth(tensor.__bool__), "__index__": _number(tensor.__index__)}
        told["T"] = property(_transposed(tensor.T.fget))
        for name, value in told.items():
            # Up to Triton 3.5.1 what was exchanged stays so, and there is no scope to note it in.
            scope[0].set_attr(tensor, name, value) if scope else setattr(tensor, name, value)

    return _patch_lang_tensor


def _truth(original: Original) -> Original:
    def __bool__(self: Any) -> bool:
        if (builder := _whole()) is None:
            return bool(original(self))
        data = self.handle.data
        return bool(builder.agreed(data.reshape(-1).astype(bool))) if data.size == len(data) else True

    return __bool__


def _number(original: Original) -> Original:
    def __index__(self: Any) -> int:
        if (builder := _whole()) is None:
            return int(original(self))
        data = self.handle.data
        if data.size != len(data):
            raise InOrder("the number of a block")
        return int(builder.agreed(data.reshape(-1)))

    return __index__


def _transposed(original: Original) -> Original:
    def transposed(self: Any) -> Any:
        if _whole() is None:
            return original(self)
        data, shape = self.handle.data, list(self.type.shape)
        shape[-1], shape[-2] = shape[-2], shape[-1]
        turned = np.transpose(data, (0, *range(data.ndim - 1, 0, -1)))
        handle = interpreter.TensorHandle(turned, self.handle.dtype)
        return tl.core.tensor(handle, tl.core.block_type(self.dtype, shape))

    return transposed


def reductions(original: Any) -> Original:
    """`ReduceOps`, which is ours where several programs run at once."""

    def reduce_ops(*given: Any) -> Any:
        return (Reductions if _whole() else original)(*given)

    return reduce_ops


def scans(original: Any) -> Original:
    """`ScanOps`, which are refused where several programs run at once."""

    def scan_ops(*given: Any) -> Any:
        if _whole():
            raise InOrder("scan", always=True)
        return original(*given)

    return scan_ops

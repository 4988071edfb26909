"""What Triton's language asks of tensors while several programs run at once: truth, number, reductions.

Everywhere else it is the interpreter's own. The functions here are always the same ones, so that an exchange
of the language which was made with them can be told from one that was made without.
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
from harness.memory.plans import Unknown, truth

Original = Callable[..., Any]

_patch, _reductions, _scans = interpreter._patch_lang_tensor, interpreter.ReduceOps, interpreter.ScanOps


def patch_lang_tensor(tensor: Any, scope: Any) -> None:
    """As the interpreter's, after which a tensor's truth, number and transpose are those of all programs."""
    _patch(tensor, scope)
    scope.set_attr(tensor, "__bool__", _truth(tensor.__bool__))
    scope.set_attr(tensor, "__index__", _number(tensor.__index__))
    scope.set_attr(tensor, "T", property(_transposed(tensor.T.fget)))


def in_force() -> bool:
    """Whether the language is exchanged for ours now."""
    return bool(tl.core.tensor.__bool__.__module__ == __name__)


def reduce_ops(*given: Any) -> Any:
    """`ReduceOps`, which is ours where several programs run at once."""
    return (Reductions if _whole() else _reductions)(*given)


def scan_ops(*given: Any) -> Any:
    """`ScanOps`, which are refused where several programs run at once."""
    if _whole():
        raise InOrder("scan", always=True)
    return _scans(*given)


def _whole() -> WholeGrid | None:
    """The builder, where several programs run at once now."""
    builder = interpreter.interpreter_builder
    return builder if isinstance(builder, WholeGrid) else None


def _truth(original: Original) -> Original:
    def __bool__(self: Any) -> bool:
        if self.handle.__class__ is Unknown:
            return truth(self)
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

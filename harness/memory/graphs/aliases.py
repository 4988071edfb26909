"""The memory behind tensors: what identifies it, and tensors of our own that lie in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_map
from triton.runtime.jit import TensorWrapper
from triton.tools.tensor_descriptor import TensorDescriptor

from harness.memory.fences import is_plain


def key_of(tensor: torch.Tensor) -> int:
    """What identifies the memory under a tensor for as long as somebody holds it."""
    return int(tensor.untyped_storage()._cdata)


def references(tensor: torch.Tensor) -> int:
    """How many tensors there are on the memory under this one, in Python and in C++."""
    return int(torch._C._storage_Use_Count(key_of(tensor))) - _by_python()


@cache
def _by_python() -> int:
    """References to a storage by its Python object, once that was asked for: releases of torch differ."""
    with _disable_current_modes():
        alone = torch.empty(1)
    return int(torch._C._storage_Use_Count(key_of(alone))) - 1


def alias(tensor: torch.Tensor) -> torch.Tensor:
    """The same elements under sizes and strides that nobody else can change.

    A tensor that is not plain, or is read conjugated or negated, is handed back as it is.
    """
    if not is_plain(tensor) or tensor.is_conj() or tensor.is_neg():
        return tensor
    with _disable_current_modes():
        own = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        # no view of the original, which a view would hold on to
        return own.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.shape, tensor.stride())


def allocation(tensor: torch.Tensor) -> torch.Tensor:
    """All of the memory under a plain tensor, as one row of its elements."""
    with _disable_current_modes():
        storage = tensor.untyped_storage()
        own = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        return own.set_(storage, 0, (storage.nbytes() // tensor.element_size(),), (1,))


def tensors_in(*trees: Any) -> list[torch.Tensor]:
    """The tensors among the arguments of a call or of a launch, those behind descriptors too."""
    return [one for one in map(_base, tree_flatten(trees)[0]) if isinstance(one, torch.Tensor)]


def frozen(tree: Any, chosen: Callable[[torch.Tensor], Any] = alias) -> Any:
    """Arguments with each tensor replaced by what `chosen` makes of it."""

    def own(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            return chosen(leaf)
        if isinstance(leaf, TensorDescriptor):
            return replace(leaf, base=chosen(leaf.base))
        return TensorWrapper(chosen(leaf.base), leaf.dtype) if isinstance(leaf, TensorWrapper) else leaf

    return tree_map(own, tree)


def _base(leaf: Any) -> Any:
    return leaf.base if isinstance(leaf, TensorDescriptor | TensorWrapper) else leaf

"""Puts a function in place of a method of tensors for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def replaced(name: str, by: Callable[..., Any]) -> Iterator[None]:
    """`torch.Tensor` has `by` as its method `name`, as long as the block runs.

    A method that it inherits is inherited again afterwards.
    """
    own, original = name in torch.Tensor.__dict__, getattr(torch.Tensor, name)
    setattr(torch.Tensor, name, by)
    try:
        yield
    finally:
        if own:
            setattr(torch.Tensor, name, original)
        else:
            delattr(torch.Tensor, name)

"""Arrays of several programs: the first axis is that of the programs, of length 1 where all agree.

A block of shape (a, b) is (n, a, b) or (1, a, b), a scalar (n,) or (1,).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def aligned(*arrays: Array) -> list[Array]:
    """Arrays of as many axes each: a scalar among blocks gets axes of length 1 behind the first."""
    most = max(array.ndim for array in arrays)
    return [array if array.ndim == most else _with_axes(array, most) for array in arrays]


def _with_axes(array: Array, most: int) -> Array:
    return array.reshape(*array.shape[:1], *(1,) * (most - array.ndim), *array.shape[1:])


def spread(*arrays: Array) -> list[Array]:
    """Arrays of one shape, broadcast where they are not."""
    first = arrays[0].shape
    if all(array.shape == first for array in arrays):
        return list(arrays)
    return list(np.broadcast_arrays(*aligned(*arrays)))


def together(*arrays: Array) -> list[Array]:
    """Arrays with the same number of programs, whatever their other axes."""
    most = max(len(array) for array in arrays)
    return [
        array if len(array) == most else np.broadcast_to(array, (most, *array.shape[1:])) for array in arrays
    ]


def of_shape(array: Array, shape: Sequence[int]) -> Array:
    """A scalar or a block, broadcast to a block of this shape without a copy."""
    filled = array if array.ndim > len(shape) else _with_axes(array, len(shape) + 1)
    return np.broadcast_to(filled, (len(array), *shape))

"""The hash that upstream's seeded sampling draws its noise from, and the same in plain arithmetic, both ways.

MurmurHash3 of 32 bits over four blocks: the seed's low and high half, the position and the column. Each step
can be undone, so that for any position and column there is one seed below 2^32 with a given hash.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

_NATIVE, _BLOCK = "sgl_kernel::murmur_hash32_cpu", 1024
LARGEST = 2**32 - 1
_FIRST, _SECOND = 0xCC9E2D51, 0x1B873593
_FACTOR, _ADDED = 5, 0xE6546B64
_FINAL = (0x85EBCA6B, 0xC2B2AE35)
_BYTES = 16


def on_cpu(function: Callable[..., Any]) -> None:
    """Register the operation that upstream's CPU build of sgl_kernel has, over upstream's own Triton kernel.

    `function` is upstream's hash of tensors, whose module has the kernel.
    """
    import torch

    kernel = importlib.import_module(function.__module__).murmur_hash32_kernel
    if hasattr(torch.ops.sgl_kernel, "murmur_hash32_cpu"):
        return

    @torch.library.custom_op(_NATIVE, mutates_args=(), schema="(Tensor s, Tensor p, Tensor c) -> Tensor")
    def hashed(seed: Any, positions: Any, columns: Any) -> Any:
        rows, width = len(seed), len(columns)
        out = torch.empty(rows, width, dtype=torch.uint32)
        kernel[(rows, -(-width // _BLOCK))](seed, positions, columns, out, rows, width, BLOCK_SIZE=_BLOCK)
        return out


def hashed(seed: int, position: int, column: int) -> int:
    """The hash of this column's noise."""
    state = 0
    for block in (seed & LARGEST, seed >> 32, position, column):
        state = (_rotated(state ^ _scrambled(block), 13) * _FACTOR + _ADDED) & LARGEST
    return _finished(state ^ _BYTES)


def seed_of(wanted: int, position: int, column: int) -> int:
    """The seed below 2^32 with which this column's hash at this position is the wanted one."""
    state = _unfinished(wanted) ^ _BYTES
    for block in (column, position, 0):
        state = _before(state) ^ _scrambled(block)
    return _unscrambled(_before(state))


def _scrambled(block: int) -> int:
    return _rotated(block * _FIRST & LARGEST, 15) * _SECOND & LARGEST


def _unscrambled(block: int) -> int:
    return _rotated(block * _inverse(_SECOND) & LARGEST, 17) * _inverse(_FIRST) & LARGEST


def _before(state: int) -> int:
    """What was rotated, multiplied and added to: the state and a scrambled block, one upon the other."""
    return _rotated((state - _ADDED) * _inverse(_FACTOR) & LARGEST, 19)


def _finished(state: int) -> int:
    state = (state ^ state >> 16) * _FINAL[0] & LARGEST
    state = (state ^ state >> 13) * _FINAL[1] & LARGEST
    return state ^ state >> 16


def _unfinished(state: int) -> int:
    state = (state ^ state >> 16) * _inverse(_FINAL[1]) & LARGEST
    state = (state ^ state >> 13 ^ state >> 26) * _inverse(_FINAL[0]) & LARGEST
    return state ^ state >> 16


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & LARGEST


def _inverse(odd: int) -> int:
    return pow(odd, -1, 2**32)

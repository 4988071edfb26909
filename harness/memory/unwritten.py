"""Finds poison where it lies, bit by bit, whatever the type that memory is read as."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch

from harness.memory.modes import unheeded
from harness.memory.names import address_of

_SIZES = (1, 2, 4, 8)
_SMALL = 1 << 16
"""Bytes up to which a tensor is looked at by a copy of its memory."""


class Unwritten:
    """What an allocation was filled with: the unsigned `word` of `nbytes` bytes, again and again."""

    def __init__(self, word: int, nbytes: int) -> None:
        self._pattern = word.to_bytes(nbytes, "little")

    @property
    def words(self) -> Mapping[int, frozenset[int]]:
        """By size in bytes, the words that somebody sees who reads the memory as words of that size."""
        return _words(self._pattern)

    def within(self, tensor: torch.Tensor) -> bool:
        """Whether a plain tensor still holds some of it, as far as it can be told from other data."""
        if not tensor.numel():
            return False
        if (told := self._told_by_bytes(tensor)) is not None:
            return told
        with unheeded():
            values = torch.view_as_real(tensor) if tensor.is_complex() else tensor
            size = values.element_size()
            bits = values.detach().view(_WORDS[size])
            high = 1 << (8 * size - 1)
            return any(
                bool((bits == (word if size == 1 or word < high else word - (high << 1))).any())
                for word in self.words[size]
            )

    def _told_by_bytes(self, tensor: torch.Tensor) -> bool | None:
        """The same, of a small tensor without gaps, by its bytes in memory; None where they do not tell."""
        size = tensor.element_size()
        nbytes = tensor.numel() * size
        if nbytes > _SMALL or not (tensor.is_cpu and tensor.is_contiguous()) or tensor.is_complex():
            return None
        memory = ctypes.string_at(address_of(tensor), nbytes)
        found = [memory.find(word) for word in _needles(self._pattern)[size]]
        if max(found) < 0:
            return False
        # One that begins within an element is none, and may hide one that is.
        return True if any(at >= 0 and at % size == 0 for at in found) else None


@cache
def _needles(pattern: bytes) -> Mapping[int, tuple[bytes, ...]]:
    """The words as they lie in memory."""
    words = _words(pattern).items()
    return {size: tuple(word.to_bytes(size, "little") for word in of_size) for size, of_size in words}


@cache
def _words(pattern: bytes) -> Mapping[int, frozenset[int]]:
    """Of the few patterns that there are; allocations of one are many."""
    repeated = pattern * (2 * _SIZES[-1] // len(pattern))
    return {
        size: frozenset(
            int.from_bytes(repeated[at : at + size], "little")
            for at in range(0, len(repeated) - size + 1, size)
        )
        for size in _SIZES
    }


_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def among(values: np.ndarray[Any, Any], unwritten: Sequence[Unwritten]) -> bool:
    """Whether one of the values that a kernel loaded is poison of one of these allocations."""
    bits = values.view(f"u{values.dtype.itemsize}")
    words = frozenset().union(*(one.words[values.dtype.itemsize] for one in unwritten))
    return any(bool((bits == word).any()) for word in words)

"""What memory holds that was never written, and what a stray load reads.

No arithmetic is trusted to hand poison on: what depends on it is what changes when it does (see
`undefined`). So there are several patterns. The first is what faults are counted under: floats are NaN,
integers are no index and no length. Of the others one float is high and one low, so that every comparison
with a usual bound comes out otherwise under one of them, and an integer's bits are all turned round, or zero.
"""

from __future__ import annotations

import math
from enum import Enum
from functools import cache
from typing import Any

import numpy as np
import torch
import triton.language as tl


class Pattern(Enum):
    """Which values poison has in one run."""

    NAN = "nan"
    HIGH = "high"
    LOW = "low"


PLAIN_BITS = {1: 0x5E, 2: 0x5EAD, 4: 0x5EADDEAD, 8: 0x5EADDEADDEADDEAD}
"""The first pattern of integers, by bytes."""
_NAN_BITS = {2: 0x7EDE, 4: 0x7FDBC000, 8: 0x7FFB780000000000}
"""Quiet NaNs of IEEE half, single and double precision."""
_BFLOAT16_NAN = 0x7FDB
_FLOATS = {Pattern.NAN: math.nan, Pattern.HIGH: 1536.0, Pattern.LOW: -640.0}
_SMALL_FLOATS = {Pattern.NAN: math.nan, Pattern.HIGH: 96.0, Pattern.LOW: -40.0}
"""Of types whose squares of the above would be infinite; exact in every type of eight bits but e8m0."""
_WITHOUT_TYPE = {Pattern.NAN: 0x7F, Pattern.HIGH: 0x6C, Pattern.LOW: 0xE2}
"""Of types of eight bits that torch lacks."""
_INT_ROOM = 0xFF
"""Bits of an integer's poison that a fill's number may change; of a byte's half of them."""
_FLOAT_ROOM = {torch.float16: 0x7, torch.bfloat16: 0x1F, torch.float32: 0xFFFF, torch.float64: 0xFFFF}

_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_FLOAT8 = {
    "fp8e4nv": torch.float8_e4m3fn,
    "fp8e4b8": torch.float8_e4m3fnuz,
    "fp8e5": torch.float8_e5m2,
    "fp8e5b16": torch.float8_e5m2fnuz,
}


class Poison:
    """The poison of one run. `drawn` tells whether the run read any of it."""

    def __init__(self, pattern: Pattern = Pattern.NAN) -> None:
        self.pattern = pattern
        self.drawn = False

    def word(self, dtype: torch.dtype) -> tuple[int, int]:
        """What fills memory of a type: an unsigned word and its bytes."""
        real = {torch.complex64: torch.float32, torch.complex128: torch.float64}.get(dtype, dtype)
        return _word(real, self.pattern), real.itemsize

    def numbered(self, dtype: torch.dtype, number: int) -> int:
        """The unsigned word of a real type in the fill of this number; other fills' differ where they can."""
        return _word(dtype, self.pattern) ^ (number & _room(dtype))

    def fill(self, tensor: torch.Tensor, number: int = 0) -> None:
        """Overwrite every element of a plain tensor with the word of this number."""
        if tensor.is_complex():
            tensor = torch.view_as_real(tensor)
        word = _signed(self.numbered(tensor.dtype, number), tensor.itemsize)
        tensor.view(_WORDS[tensor.dtype.itemsize]).fill_(word)

    def of_numpy(self, dtype: np.dtype[Any], scalar: tl.dtype | None = None) -> Any:
        """The value a stray load reads; `scalar` is Triton's type, which numpy may only hold the bits of."""
        word = _lane_word(dtype, scalar, self.pattern)
        if dtype.kind == "b":
            return bool(word)
        return np.array(word, f"u{dtype.itemsize}").view(dtype)[()]


def _lane_word(dtype: np.dtype[Any], scalar: tl.dtype | None, pattern: Pattern) -> int:
    if scalar is not None and scalar.is_bf16():
        return _word(torch.bfloat16, pattern)
    if scalar is not None and scalar.is_fp8():
        known = _FLOAT8.get(scalar.name)
        return _word(known, pattern) if known else _WITHOUT_TYPE[pattern]
    if dtype.kind == "b":
        return _word(torch.bool, pattern)
    if dtype.kind == "f":
        return _word({2: torch.float16, 4: torch.float32, 8: torch.float64}[dtype.itemsize], pattern)
    return _int_word(dtype.itemsize, pattern)


@cache
def _word(dtype: torch.dtype, pattern: Pattern) -> int:
    """The poison of a type as an unsigned word of its size."""
    if dtype == torch.bool:
        return int(pattern is Pattern.NAN)
    if not dtype.is_floating_point:
        return _int_word(dtype.itemsize, pattern)
    if pattern is Pattern.NAN and dtype.itemsize > 1:
        return _BFLOAT16_NAN if dtype == torch.bfloat16 else _NAN_BITS[dtype.itemsize]
    small = dtype == torch.float16 or dtype.itemsize == 1
    value = (_SMALL_FLOATS if small else _FLOATS)[pattern]
    made = torch.tensor(value, dtype=torch.float64, device="cpu").to(dtype)
    return int(made.reshape(1).view(_WORDS[dtype.itemsize]).item()) & _mask(dtype.itemsize)


def _int_word(nbytes: int, pattern: Pattern) -> int:
    if pattern is Pattern.LOW:
        return 0
    return PLAIN_BITS[nbytes] ^ (_mask(nbytes) if pattern is Pattern.HIGH else 0)


def _room(dtype: torch.dtype) -> int:
    """Those bits of a type's poison that a fill's number may change."""
    if dtype == torch.bool:
        return 0
    if dtype.is_floating_point:
        return _FLOAT_ROOM.get(dtype, 0)
    return _INT_ROOM if dtype.itemsize > 1 else _INT_ROOM >> 4


def _mask(nbytes: int) -> int:
    return (1 << (8 * nbytes)) - 1


def _signed(word: int, nbytes: int) -> int:
    """A word as the signed number that torch fills with; bytes are filled unsigned."""
    high = 1 << (8 * nbytes - 1)
    return word if nbytes == 1 or word < high else word - (high << 1)

"""What memory holds that was never written, and what a stray load reads.

Floats read as a NaN whose payload says so: hardware hands the payload of an operand on, so that
a result computed from poison still tells where it comes from. Rounding to bfloat16 and to eight
bits forgets it, so every NaN of those types counts as poison. Integers read as a number that is
no index and no length. Those of fewer than four bytes have no value to spare, so poison in them
makes a difference but cannot be recognised.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import triton.language as tl

_NAN_BITS = {2: 0x7EDE, 4: 0x7FDBC000, 8: 0x7FFB780000000000}
"""Quiet NaNs of IEEE half, single and double precision that share the top bits of their payload."""
_BFLOAT16_BITS = 0x7FDB
_FLOAT8_BITS = 0x7F  # a NaN in e5m2 and e4m3fn; other 8-bit floats have none in common
_INT_BITS = {1: 0x5E, 2: 0x5EAD, 4: 0x5EADDEAD, 8: 0x5EADDEADDEADDEAD}
_RECOGNISED_BYTES = 4
_INT_ROOM = 0xFF
"""Bits of an integer's poison that a fill's number may change; of a byte's half of them."""
_FLOAT_ROOM = {2: 0x7, 4: 0xFFFF, 8: 0xFFFF}

_PAYLOAD = 0x7FFB600000000000
"""What every poison above has in common once it is a double (bfloat16 keeps the fewest bits)."""
_PAYLOAD_MASK = 0x7FFFE00000000000

_WORDS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def of_numpy(dtype: np.dtype[Any], scalar: tl.dtype | None = None) -> Any:
    """The value a stray load reads; `scalar` is Triton's type, which numpy may only hold the bits of."""
    if scalar is not None and scalar.is_bf16():
        return np.array(_BFLOAT16_BITS, np.uint16).view(dtype)[()]
    if scalar is not None and scalar.is_fp8():
        return np.array(_FLOAT8_BITS, np.uint8).view(dtype)[()]
    if dtype.kind == "b":
        return True
    bits = _NAN_BITS if dtype.kind == "f" else _INT_BITS
    return np.array(bits[dtype.itemsize], f"u{dtype.itemsize}").view(dtype)[()]


def _bits(dtype: torch.dtype) -> tuple[int, int]:
    """The poison of a type, and those of its bits that a fill's number may change."""
    if dtype == torch.bool:
        return 1, 0
    if dtype == torch.bfloat16:
        return _BFLOAT16_BITS, 0x3F  # it stays a quiet NaN
    if dtype.is_floating_point:
        return (_FLOAT8_BITS, 0) if dtype.itemsize == 1 else _float_bits(dtype.itemsize)
    return _INT_BITS[dtype.itemsize], _INT_ROOM if dtype.itemsize > 1 else _INT_ROOM >> 4


def _float_bits(itemsize: int) -> tuple[int, int]:
    return _NAN_BITS[itemsize], _FLOAT_ROOM[itemsize]


def fill(tensor: torch.Tensor, number: int = 0) -> None:
    """Overwrite every element of a plain tensor with poison; fills of other numbers differ where they can."""
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    bits, room = _bits(tensor.dtype)
    tensor.view(_WORDS[tensor.dtype.itemsize]).fill_(bits ^ (number & room))


def found(tensor: torch.Tensor) -> npt.NDArray[np.bool_]:
    """Which elements, in logical order, hold or were computed from poison, as far as they show it."""
    values = tensor.detach().cpu()
    if values.is_complex():
        values = torch.view_as_real(values)
    if values.is_floating_point():
        doubles = values.to(torch.float64).contiguous().view(-1).numpy()
        marked = (doubles.view(np.uint64) & np.uint64(_PAYLOAD_MASK)) == np.uint64(_PAYLOAD)
        return np.asarray(np.isnan(doubles) & (marked | _forgets(tensor.dtype, tensor.device.type)))
    if values.dtype.itemsize < _RECOGNISED_BYTES:
        return np.zeros(values.numel(), dtype=bool)
    wanted = _INT_BITS[values.dtype.itemsize] & ~_INT_ROOM
    return np.asarray(((values.reshape(-1) & ~_INT_ROOM) == wanted).numpy())


def _forgets(dtype: torch.dtype, device: str) -> bool:
    """Whether a NaN of this type, computed there, has lost what it was made of."""
    return device != "cpu" or dtype == torch.bfloat16 or dtype.itemsize == 1

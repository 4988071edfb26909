from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
import triton.language as tl

from harness.memory.poison import Pattern, Poison

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
FLOATS8 = (torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz)
INTS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def _filled(dtype: torch.dtype, pattern: Pattern, number: int = 0) -> torch.Tensor:
    tensor = torch.zeros(3, dtype=dtype)
    Poison(pattern).fill(tensor, number)
    return tensor


@pytest.mark.parametrize("dtype", (*FLOATS, *FLOATS8, *INTS, torch.bool, torch.complex64))
def test_all_patterns_of_a_type_differ_in_every_element(dtype: torch.dtype) -> None:
    raw = [_filled(dtype, pattern).view(torch.uint8).reshape(3, -1) for pattern in Pattern]
    patterns = 2 if dtype == torch.bool else 3
    assert len({tuple(bits.flatten().tolist()) for bits in raw}) == patterns
    assert all((bits == bits[0]).all() for bits in raw)


@pytest.mark.parametrize("dtype", (*FLOATS, *FLOATS8))
def test_a_float_is_nan_then_high_then_low(dtype: torch.dtype) -> None:
    nan, high, low = (_filled(dtype, pattern).to(torch.float64) for pattern in Pattern)
    assert nan.isnan().all() and (high >= 96).all() and (low <= -40).all() and low.isfinite().all()


@pytest.mark.parametrize("dtype", INTS)
def test_every_bit_of_an_integer_is_turned_round(dtype: torch.dtype) -> None:
    first, turned = _filled(dtype, Pattern.NAN), _filled(dtype, Pattern.HIGH)
    assert torch.equal(~first, turned) and not _filled(dtype, Pattern.LOW).any()


@pytest.mark.parametrize("dtype", (*FLOATS, *INTS))
@pytest.mark.parametrize("pattern", Pattern)
def test_fills_of_other_numbers_differ(dtype: torch.dtype, pattern: Pattern) -> None:
    pairs = itertools.combinations(
        [_filled(dtype, pattern, number).view(torch.uint8) for number in range(4)], 2
    )
    assert all(not torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("pattern", Pattern)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_])
def test_a_stray_load_reads_what_empty_memory_holds(kind: type, pattern: Pattern) -> None:
    value: np.ndarray[Any, Any] = np.array([Poison(pattern).of_numpy(np.dtype(kind))], dtype=kind)
    held = _filled(torch.from_numpy(value).dtype, pattern)[:1].numpy()
    assert value.tobytes() == held.tobytes()


@pytest.mark.parametrize("pattern", Pattern)
@pytest.mark.parametrize(
    ("scalar", "dtype"),
    [(tl.bfloat16, torch.bfloat16), (tl.float8e4nv, torch.float8_e4m3fn), (tl.float8e5, torch.float8_e5m2)],
)
def test_a_stray_load_of_a_type_that_numpy_lacks(
    scalar: tl.dtype, dtype: torch.dtype, pattern: Pattern
) -> None:
    held = _filled(dtype, pattern)[:1].view({1: torch.uint8, 2: torch.int16}[dtype.itemsize]).numpy()
    bits = Poison(pattern).of_numpy(np.dtype(f"u{dtype.itemsize}"), scalar)
    assert np.array([bits]).tobytes() == held.tobytes()


def test_a_type_that_torch_lacks_has_three_patterns() -> None:
    bits = {int(Poison(one).of_numpy(np.dtype(np.uint8), tl.float8e4b15)) for one in Pattern}
    assert len(bits) == 3

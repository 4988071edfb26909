from __future__ import annotations

import numpy as np
import pytest
import torch
import triton.language as tl

from harness.memory import poison

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
WIDE = (*FLOATS, torch.complex64, torch.int32, torch.int64)
NARROW = (torch.bool, torch.uint8, torch.int16)


def _poisoned(dtype: torch.dtype) -> torch.Tensor:
    tensor = torch.zeros(3, dtype=dtype)
    poison.fill(tensor)
    return tensor


@pytest.mark.parametrize("dtype", WIDE)
def test_poison_is_recognised_and_zeros_are_not(dtype: torch.dtype) -> None:
    assert poison.found(_poisoned(dtype)).all()
    assert not poison.found(torch.zeros(3, dtype=dtype)).any()


@pytest.mark.parametrize("dtype", NARROW)
def test_narrow_types_have_no_value_to_spare(dtype: torch.dtype) -> None:
    assert not poison.found(_poisoned(dtype)).any()


@pytest.mark.parametrize("dtype", sorted(set(FLOATS) - {torch.bfloat16}, key=str))
def test_a_plain_nan_is_not_poison(dtype: torch.dtype) -> None:
    assert not poison.found(torch.full((3,), torch.nan, dtype=dtype)).any()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    "compute", [lambda x: x + 1, lambda x: -x, lambda x: x * 0, lambda x: x.sum(), torch.exp]
)
def test_poison_shows_through_arithmetic(dtype: torch.dtype, compute: object) -> None:
    assert poison.found(compute(_poisoned(dtype))).all()  # type: ignore[operator]


def test_poison_shows_through_a_change_of_precision() -> None:
    assert poison.found(_poisoned(torch.float32).to(torch.float64)).all()
    assert poison.found(_poisoned(torch.bfloat16).to(torch.float32)).all()


def test_a_stray_load_reads_the_same_poison() -> None:
    for dtype in (np.float16, np.float32, np.float64, np.int32, np.int64):
        value = poison.of_numpy(np.dtype(dtype))
        assert poison.found(torch.from_numpy(np.array([value], dtype=dtype))).all()


def test_a_stray_load_of_bfloat16_reads_a_nan() -> None:
    bits = poison.of_numpy(np.dtype(np.uint16), tl.bfloat16)
    assert poison.found(torch.tensor([int(bits)], dtype=torch.uint16).view(torch.bfloat16)).all()

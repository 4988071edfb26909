"""Summaries of floats: the same numbers, to the last bit, however they are come by."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.memory.summary import summarize

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def one_by_one(values: torch.Tensor) -> dict[str, Any]:
    """By what torch tells of each number, of those alone that are finite."""
    exact = values.detach().to(torch.float64)
    finite = exact[torch.isfinite(exact)]
    told: dict[str, Any] = {"nan": int(torch.isnan(exact).sum()), "inf": int(torch.isinf(exact).sum())}
    if finite.numel():
        moments = (finite.min(), finite.max(), finite.mean(), finite.square().mean().sqrt())
        told |= {
            name: float(f"{value.item():.9g}")
            for name, value in zip(("min", "max", "mean", "rms"), moments, strict=True)
        }
    return told


@given(
    st.lists(st.one_of(st.floats(width=16), st.sampled_from([0.0, -0.0, math.nan, math.inf]))),
    st.sampled_from(DTYPES), st.integers(1, 3),
)  # fmt: skip
def test_all_of_it_is_as_told_one_by_one(numbers: list[float], dtype: torch.dtype, apart: int) -> None:
    values = torch.tensor(numbers, dtype=dtype).repeat_interleave(apart)[::apart]
    assert repr(summarize(values)["summary"]) == repr(one_by_one(values))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (7, 33), (64, 1024), (3, 5, 701)])
def test_sums_are_made_in_the_same_order(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    """Whose last digits differ by it."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)
    for some in (values, values.mT if values.ndim > 1 else values, values[..., ::2] if shape else values):
        assert repr(summarize(some)["summary"]) == repr(one_by_one(some))

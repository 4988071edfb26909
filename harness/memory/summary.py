"""Tensors as a trace and a golden keep them: integers exactly, floats as a summary."""

from __future__ import annotations

import hashlib
import math
from functools import cache
from typing import Any

import numpy as np
import torch

VALUES_KEPT = 64
"""Integer tensors of at most this many elements are kept as values, larger ones as a digest."""


def _digest(array: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


_array_of = torch.Tensor.numpy
"""As it is without `reads`, whom it does not concern what the oracle itself asks for."""


def _float_summary(values: torch.Tensor) -> dict[str, Any]:
    exact = _exact(values.detach())
    if exact.is_cpu and np.isfinite(_array_of(exact)).all():
        return {"nan": 0, "inf": 0} | _moments(exact.reshape(-1))
    return {
        "nan": int(torch.isnan(exact).sum()),
        "inf": int(torch.isinf(exact).sum()),
    } | _moments(exact[torch.isfinite(exact)])


def _exact(values: torch.Tensor) -> torch.Tensor:
    """In double precision. Of a type that numpy has, too, its conversion is as exact, and begins sooner."""
    if values.is_cpu and values.dtype in _NUMPYS:
        return torch.from_numpy(_array_of(values).astype(np.float64))
    return values.to(torch.float64)


_NUMPYS = (torch.float16, torch.float32)


def _moments(finite: torch.Tensor) -> dict[str, float]:
    """Of numbers in one row. Sums are torch's: another order of adding up would show in the last digits."""
    if not finite.numel():
        return {}
    mean, rms = finite.mean().item(), math.sqrt(finite.square().mean().item())
    moments = {"min": finite.min().item(), "max": finite.max().item(), "mean": mean, "rms": rms}
    return {name: float(f"{value:.9g}") for name, value in moments.items()}


@cache
def name_of_type(dtype: torch.dtype) -> str:
    """That of an element, without the library's."""
    return str(dtype).removeprefix("torch.")


def summarize(tensor: torch.Tensor) -> dict[str, Any]:
    """Shape, dtype, and either the values, a sha256 prefix, or min, max, mean and rms."""
    facts: dict[str, Any] = {"dtype": name_of_type(tensor.dtype), "shape": list(tensor.shape)}
    if tensor.is_floating_point() or tensor.is_complex():
        return facts | {"summary": _float_summary(tensor)}
    array = _array_of(tensor.detach().cpu())
    if array.size <= VALUES_KEPT:
        return facts | {"values": array.tolist()}
    return facts | {"sha256": _digest(array)}


def jsonable(value: object) -> Any:
    """A declared output as JSON; raises TypeError for what has no stable form."""
    if isinstance(value, torch.Tensor):
        return summarize(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {
            "dtype": "float64",
            "shape": [],
            "summary": {"min": value, "max": value, "mean": value, "rms": abs(value)},
        }
    if isinstance(value, dict):
        return {str(name): jsonable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no stable form; return tensors, numbers, words or lists")

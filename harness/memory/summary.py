"""Tensors as a trace and a golden keep them: integers exactly, floats as a summary."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch

VALUES_KEPT = 64
"""Integer tensors of at most this many elements are kept as values, larger ones as a digest."""


def _digest(array: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def _float_summary(values: torch.Tensor) -> dict[str, Any]:
    exact = values.detach().to(torch.float64)
    finite = exact[torch.isfinite(exact)]
    summary: dict[str, Any] = {"nan": int(torch.isnan(exact).sum()), "inf": int(torch.isinf(exact).sum())}
    if finite.numel():
        moments = {
            "min": finite.min(),
            "max": finite.max(),
            "mean": finite.mean(),
            "rms": finite.square().mean().sqrt(),
        }
        summary |= {name: float(f"{value.item():.9g}") for name, value in moments.items()}
    return summary


def summarize(tensor: torch.Tensor) -> dict[str, Any]:
    """Shape, dtype, and either the values, a sha256 prefix, or min, max, mean and rms."""
    facts: dict[str, Any] = {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape)}
    if tensor.is_floating_point() or tensor.is_complex():
        return facts | {"summary": _float_summary(tensor)}
    array = tensor.detach().cpu().numpy()
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

"""Which outputs depend on memory that nobody wrote: those that change when its contents do.

A run in which poison was in play is made again under the other patterns. No result has to show where it
came from, so every type counts, control flow too, and on any device. A NaN of sound inputs is NaN in every
run. What a mask or a select removes changes nothing. Differences of rounding do not count, nor does what
changes under the same poison: one more run tells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from harness.memory.poison import Pattern
from harness.observation import Fault

UNINITIALISED = "depends on memory that was never written or lies outside its buffer"
OTHERS = (Pattern.HIGH, Pattern.LOW)
UNSTABLE = "differs between two equal runs, so it was not asked what it depends on"

Marks = npt.NDArray[np.bool_]
Outputs = Mapping[str, Any]
Run = Callable[[Pattern], Outputs | None]
"""Runs the same code from the same seeds under a pattern; None if it did not come to its end."""


@dataclass(frozen=True)
class Dependence:
    """What was found: the faults, and the names of outputs of which two equal runs differ."""

    faults: tuple[Fault, ...] = ()
    unstable: tuple[str, ...] = ()


def dependent(first: Outputs, again: Run) -> Dependence:
    """Find the elements of the first run's outputs that are others under another poison.

    `first` was made under `Pattern.NAN`. Its tensors are compared as they are now, so that those that a
    later run could write must have been copied (`kept`).
    """
    others = [again(pattern) for pattern in OTHERS]
    changed = {name: _changed(value, name, others) for name, value in leaves(first)}
    if not any(marks.any() for marks in changed.values()):
        return Dependence()
    same = again(Pattern.NAN)
    unstable = {name: _changed(value, name, [same]) for name, value in leaves(first)}
    faults = [
        fault
        for name, value in leaves(first)
        for fault in _faults(name, value, changed[name] & ~unstable[name])
    ]
    return Dependence(tuple(faults), tuple(name for name, marks in unstable.items() if marks.any()))


def kept(outputs: Outputs) -> Outputs:
    """The outputs with copies of their tensors on the CPU, which no later run can reach."""

    def copied(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.detach().to("cpu", copy=True)
        if isinstance(value, Mapping):
            return {key: copied(item) for key, item in value.items()}
        return [copied(item) for item in value] if isinstance(value, list | tuple) else value

    return {name: copied(value) for name, value in outputs.items()}


def leaves(outputs: Outputs, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every tensor and plain value of the outputs, by its path."""
    for key, value in outputs.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple):
            yield from leaves({f"{key}[{index}]": item for index, item in enumerate(value)}, prefix)
        else:
            yield f"{prefix}{key}", value


def _changed(value: Any, name: str, others: Sequence[Outputs | None]) -> Marks:
    """Which elements of an output, in logical order, are others in at least one other run."""
    marks = np.zeros(_numel(value), dtype=bool)
    for other in others:
        found = dict(leaves(other)) if other is not None else {}
        marks |= _differing(value, found[name]) if name in found else True
    return marks


def _numel(value: Any) -> int:
    return value.numel() if isinstance(value, torch.Tensor) else 1


def _differing(one: Any, other: Any) -> Marks:
    if not isinstance(one, torch.Tensor):
        return np.array([one != other and not (one != one and other != other)])
    if not isinstance(other, torch.Tensor) or one.shape != other.shape or one.dtype != other.dtype:
        return np.ones(one.numel(), dtype=bool)
    if one.is_complex():
        parts = _differing(torch.view_as_real(one), torch.view_as_real(other))
        return np.asarray(parts.reshape(-1, 2).any(axis=1))
    if not one.is_floating_point():
        return np.asarray((one.cpu() != other.cpu()).reshape(-1).numpy())
    return _apart(_doubles(one), _doubles(other), _rounding(one.dtype))


def _doubles(tensor: torch.Tensor) -> npt.NDArray[np.float64]:
    return np.asarray(tensor.detach().cpu().to(torch.float64).reshape(-1).numpy())


def _apart(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], rounding: float) -> Marks:
    finite = np.isfinite(one) & np.isfinite(other)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore", over="ignore"):
        near = np.abs(one - other) <= rounding * np.maximum(np.abs(one), np.abs(other))
    return np.asarray(~np.where(finite, near, same))


def _rounding(dtype: torch.dtype) -> float:
    """How far two equal sums may lie apart relative to their size: half of the type's digits."""
    return math.sqrt(torch.finfo(dtype).eps)


def _faults(name: str, value: Any, marks: Marks) -> Iterator[Fault]:
    """A float that is NaN is `nan`; everything else that depends on poison is a `wrong-value`."""
    lost = _is_nan(value)
    for kind, chosen in (("nan", marks & lost), ("wrong-value", marks & ~lost)):
        if chosen.any():
            yield marked(kind, name, chosen, UNINITIALISED)


def _is_nan(value: Any) -> Marks:
    if not isinstance(value, torch.Tensor):
        return np.array([value != value])
    if not (value.is_floating_point() or value.is_complex()):
        return np.zeros(value.numel(), dtype=bool)
    wide = value.to(torch.float64) if value.is_floating_point() else value
    return np.asarray(torch.isnan(wide).reshape(-1).numpy())


def marked(kind: str, name: str, marks: Marks, message: str | None = None) -> Fault:
    """The fault of an output whose marked elements are wrong; at least one is."""
    elements = np.flatnonzero(marks)
    first, last, count = int(elements[0]), int(elements[-1]), int(elements.size)
    numel = int(marks.size)
    return Fault(kind=kind, buffer=name, numel=numel, first=first, last=last, count=count, message=message)

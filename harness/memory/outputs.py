"""Holds the declared outputs of a case against its reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from harness.errors import Unresolved
from harness.facts import Tolerance
from harness.memory.undefined import Marks, marked
from harness.observation import Fault

_SHOWN_DIGITS = 6

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """One output against its reference: the facts for the observation, and the faults."""

    facts: Mapping[str, Any]
    faults: tuple[Fault, ...]


def compare(name: str, seen: Any, expected: Any, tolerance: Tolerance) -> Comparison:
    """Hold an output against its reference, element by element in float64.

    An element differs if it is further away than the absolute and the relative tolerance
    together, or if just one of the two is NaN; infinities agree with themselves alone.
    """
    actual, wanted = _doubles(name, seen), _doubles(f"the reference of {name}", expected)
    if actual.shape != wanted.shape:
        message = f"shape {list(actual.shape)} instead of {list(wanted.shape)}"
        fault = Fault(kind="wrong-value", buffer=name, numel=wanted.size, message=message)
        return Comparison({"shape": list(actual.shape), "reference_shape": list(wanted.shape)}, (fault,))
    lost = np.isnan(actual) & ~np.isnan(wanted)
    wrong = _differing(actual, wanted, tolerance) & ~lost
    faults = [
        marked(kind, name, marks) for kind, marks in (("nan", lost), ("wrong-value", wrong)) if marks.any()
    ]
    facts = _facts(actual, wanted, tolerance) | {"differing": int((lost | wrong).sum())}
    return Comparison(facts, tuple(faults))


def _doubles(name: str, value: Any) -> Doubles:
    try:
        tensor = torch.as_tensor(value).detach().cpu()
        return np.asarray(tensor.to(torch.float64).contiguous().numpy())
    except (TypeError, ValueError, RuntimeError) as error:
        raise Unresolved(
            f"{name} is a {type(value).__name__}, which holds no real numbers: return a tensor"
        ) from error


def _differing(actual: Doubles, wanted: Doubles, tolerance: Tolerance) -> Marks:
    with np.errstate(invalid="ignore"):
        near = np.abs(actual - wanted) <= tolerance.absolute + tolerance.relative * np.abs(wanted)
    finite = np.isfinite(actual) & np.isfinite(wanted)
    same = (actual == wanted) | (np.isnan(actual) & np.isnan(wanted))
    return np.asarray(np.where(finite, ~near, ~same))


def _facts(actual: Doubles, wanted: Doubles, tolerance: Tolerance) -> dict[str, Any]:
    finite = np.isfinite(actual) & np.isfinite(wanted)
    distance = np.abs(np.where(finite, actual, 0.0) - np.where(finite, wanted, 0.0))
    size = np.abs(wanted, where=finite & (wanted != 0), out=np.full(actual.shape, np.inf))
    furthest = {"max_abs": distance.max(initial=0.0), "max_rel": (distance / size).max(initial=0.0)}
    return {
        "reference": "float64",
        "elements": int(wanted.size),
        "finite": int(finite.sum()),
        **{name: float(f"{value:.{_SHOWN_DIGITS}g}") for name, value in furthest.items()},
        "absolute": tolerance.absolute,
        "relative": tolerance.relative,
        "reason": tolerance.reason,
    }


def joined(dependent: Iterable[Fault], compared: Iterable[Fault]) -> tuple[Fault, ...]:
    """One fault for each (kind, output): a reference counts all elements, dependence says why."""
    found = {(fault.kind, fault.buffer): fault for fault in dependent}
    for fault in compared:
        known = found.get((fault.kind, fault.buffer))
        found[fault.kind, fault.buffer] = replace(fault, message=known.message) if known else fault
    return tuple(found.values())

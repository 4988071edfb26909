from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.memory.poison import Pattern
from harness.memory.undefined import UNINITIALISED, Dependence, dependent, kept, leaves
from harness.observation import Fault


def _runs(**by_pattern: Any) -> Callable[[Pattern], Any]:
    return lambda pattern: by_pattern[pattern.value]


def _asked(first: Any, high: Any, low: Any, same: Any = None) -> Dependence:
    return dependent(first, _runs(high=high, low=low, nan=first if same is None else same))


def test_what_no_poison_changes_depends_on_none() -> None:
    outputs = {"out": torch.tensor([1.0, math.nan, math.inf]), "count": 3, "word": "left", "none": math.nan}
    assert _asked(outputs, kept(outputs), kept(outputs)) == Dependence()


def test_each_kind_of_element_is_counted_by_itself() -> None:
    first = {"out": torch.tensor([1.0, math.nan, 2.0, math.nan])}
    high, low = (
        {"out": torch.tensor([1.0, 5.0, 2.0, math.nan])},
        {"out": torch.tensor([1.0, 5.0, 3.0, math.nan])},
    )
    nan, wrong = _asked(first, high, low).faults
    assert nan == Fault(kind="nan", buffer="out", numel=4, first=1, last=1, count=1, message=UNINITIALISED)
    assert (wrong.kind, wrong.first, wrong.last, wrong.count) == ("wrong-value", 2, 2, 1)


def test_rounding_is_no_dependence() -> None:
    first = {"out": torch.tensor([1.0, -3.0])}
    near = {"out": torch.tensor([1.0 + 1e-6, -3.0 - 1e-6])}
    assert _asked(first, near, first) == Dependence()


def test_another_shape_or_an_end_on_the_way_concerns_every_element() -> None:
    first = {"out": torch.zeros(3, dtype=torch.int8), "length": 2}
    for other in ({"out": torch.zeros(4, dtype=torch.int8), "length": 1}, None):
        faults = _asked(first, first, other).faults
        assert [(fault.buffer, fault.numel, fault.count) for fault in faults] == [
            ("out", 3, 3),
            ("length", 1, 1),
        ]


def test_what_two_equal_runs_do_not_agree_on_is_not_asked() -> None:
    first = {"out": torch.tensor([1, 2, 3])}
    other, same = {"out": torch.tensor([1, 5, 9])}, {"out": torch.tensor([1, 7, 3])}
    found = _asked(first, other, first, same)
    assert found.unstable == ("out",) and [(f.first, f.last) for f in found.faults] == [(2, 2)]


def test_nested_outputs_are_named_by_their_path() -> None:
    outputs = {"by": {"layer": [torch.zeros(1), 2]}, "n": 1}
    assert [name for name, _ in leaves(outputs)] == ["by.layer[0]", "by.layer[1]", "n"]


def test_kept_outputs_are_out_of_reach() -> None:
    tensor = torch.zeros(2)
    held = kept({"all": [tensor]})
    tensor += 1
    assert held["all"][0].tolist() == [0, 0]


@pytest.mark.parametrize(
    "dtype", [torch.bool, torch.int8, torch.bfloat16, torch.float8_e4m3fn, torch.complex64]
)
@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_exactly_the_changed_elements_are_found(dtype: torch.dtype, changed: list[bool]) -> None:
    marks = torch.tensor(changed)
    first = {"out": torch.zeros(len(changed)).to(dtype)}
    other = {"out": marks.to(torch.float32).to(dtype)}
    faults = _asked(first, other, other).faults
    told = [(f.first, f.last, f.count) for f in faults]
    where = np.flatnonzero(changed)
    assert told == ([(where[0], where[-1], len(where))] if len(where) else [])

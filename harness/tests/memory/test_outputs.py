from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import Unresolved
from harness.facts import Tolerance
from harness.memory.outputs import compare, joined
from harness.memory.undefined import UNINITIALISED
from harness.observation import Fault

LOOSE = Tolerance(absolute=0.25, relative=0.5, reason="made up")


def _signatures(faults: Any) -> list[str]:
    return [fault.signature for fault in faults]


def test_differences_are_counted_element_by_element() -> None:
    comparison = compare("out", torch.tensor([1.0, 9.0, 3.0, 9.0]), torch.tensor([1.0, 2.0, 3.0, 4.0]), LOOSE)
    assert _signatures(comparison.faults) == ["wrong-value out numel=4 first=1 last=3 count=2"]
    assert comparison.facts == {
        "reference": "float64", "elements": 4, "finite": 4, "max_abs": 7.0, "max_rel": 3.5,
        "absolute": 0.25, "relative": 0.5, "reason": "made up", "differing": 2,
    }  # fmt: skip


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_the_tolerances_add_up(seen: float, wanted: float) -> None:
    differs = abs(seen - wanted) > 0.25 + 0.5 * abs(wanted)
    assert bool(compare("out", [seen], [wanted], LOOSE).faults) == differs


@pytest.mark.parametrize(
    ("seen", "wanted", "kinds"),
    [
        (torch.nan, 1.0, ["nan"]),
        (torch.nan, torch.nan, []),
        (1.0, torch.nan, ["wrong-value"]),
        (torch.inf, torch.inf, []),
        (torch.inf, -torch.inf, ["wrong-value"]),
        (torch.inf, 1.0, ["wrong-value"]),
    ],
)
def test_what_is_not_finite_agrees_with_itself_alone(seen: float, wanted: float, kinds: list[str]) -> None:
    assert [fault.kind for fault in compare("out", [seen], [wanted], LOOSE).faults] == kinds


def test_another_shape_is_a_wrong_value() -> None:
    (fault,) = compare("out", torch.zeros(2, 3), torch.zeros(3, 2), LOOSE).faults
    assert fault.message == "shape [2, 3] instead of [3, 2]"


def test_what_holds_no_numbers_is_the_cases_mistake() -> None:
    with pytest.raises(Unresolved, match="the reference of out is a str"):
        compare("out", [1.0], "one", LOOSE)


def test_a_reference_counts_and_dependence_says_why() -> None:
    nan = Fault(kind="nan", buffer="out", numel=4, first=1, last=1, count=1, message=UNINITIALISED)
    wider = replace(nan, last=2, count=2, message=None)
    other = Fault(kind="wrong-value", buffer="out", numel=4, first=3, last=3, count=1)
    assert joined([nan], [wider, other]) == (replace(wider, message=UNINITIALISED), other)

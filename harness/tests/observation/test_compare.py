"""What counts as a difference, and how it reads."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.facts import Tolerance
from harness.observation import Fault, Point
from harness.observation.compare import (
    DEFAULT_TOLERANCE,
    changed_params,
    named_params,
    one_line,
    plain,
    point_differences,
    same_params,
    trace_difference,
    trace_digest,
    value_differences,
    values_of_orders,
)

LOOSE = Tolerance(absolute=0.1, relative=0.0, reason="a test")
STRAY = Fault(kind="oob-write", buffer="table", first=8, count=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def texts(golden: Any, seen: Any, tolerance: Tolerance = DEFAULT_TOLERANCE) -> list[str]:
    return [difference.text for difference in value_differences("out", golden, seen, tolerance)]


@settings(max_examples=60, deadline=None)
@given(values)
def test_a_value_agrees_with_itself_also_after_a_trip_through_strict_json(value: Any) -> None:
    text = json.dumps(plain(value), allow_nan=False)
    assert texts(value, json.loads(text)) == []


@pytest.mark.parametrize(
    ("golden", "seen", "told"),
    [
        (1, 2, ["out: golden 1, seen 2"]),
        (True, 1, ["out: golden true, seen 1"]),
        (1, 1.0, ["out: golden 1, seen 1.0"]),
        ("a", None, ["out: golden a, seen null"]),
        ([1, 2], [1, 3], ["out[1]: golden 2, seen 3"]),
        ([1, 2], [1], ["out.length: golden 2, seen 1"]),
        ({"a": 1}, {"b": 1}, ["out.a: golden 1, seen absent", "out.b: golden absent, seen 1"]),
        ({"a": None}, {}, ["out.a: golden null, seen absent"]),
        ([], {}, ["out: golden [], seen {}"]),
        (math.nan, 1.0, ["out: golden NaN, seen 1.0"]),
        (math.inf, -math.inf, ["out: golden Infinity, seen -Infinity"]),
    ],
)
def test_differences_read_well(golden: Any, seen: Any, told: list[str]) -> None:
    assert texts(golden, seen) == told


def test_floats_have_a_tolerance_and_integers_none() -> None:
    assert texts(1.0, 1.05, LOOSE) == []
    assert texts(1.0, 1.2, LOOSE) == ["out: golden 1.0, seen 1.2"]
    assert texts(100, 101, Tolerance(absolute=9, relative=9, reason="a test")) != []
    assert texts(1e6, 1e6 + 5) == []
    assert texts(1e-3, 1e-3 + 5e-6) != []
    assert texts(math.nan, math.nan) == texts(math.inf, math.inf) == []
    assert texts(math.inf, 1e308, Tolerance(absolute=1e9, relative=1.0, reason="a test")) != []


def test_a_hash_is_told_only_where_the_values_do_not_tell() -> None:
    told = texts({"sha256": "a", "values": [1]}, {"sha256": "b", "values": [2]})
    assert told == ["out.values[0]: golden 1, seen 2"]
    assert texts({"sha256": "a"}, {"sha256": "b"}) == ["out.sha256: golden a, seen b"]


def test_faults_compare_as_signatures_whatever_their_order() -> None:
    nan = Fault(kind="nan", buffer="out")
    one, other = Point(params={}, faults=(STRAY, nan)), Point(params={}, faults=(nan, STRAY))
    assert point_differences(one, other, DEFAULT_TOLERANCE) == []
    smaller = Point(params={}, faults=(nan, Fault(kind="oob-write", buffer="table", first=8, count=2)))
    told = [difference.text for difference in point_differences(one, smaller, DEFAULT_TOLERANCE)]
    assert told == [f"faults: golden {STRAY.signature}, seen oob-write into table first=8 count=2"]


EITHER = {"results.pages[0]": [4, -1]}


@pytest.mark.parametrize(
    ("golden", "seen", "marked", "agree"),
    [
        (4, -1, "golden", True),
        (-1, 4, "seen", True),  # an older golden holds what one run saw
        (4, 7, "golden", False),
        (7, 4, "golden", False),
        (4, -1, "neither", False),
    ],
)
def test_of_what_racing_stores_leave_to_chance_one_value_agrees_with_another(
    golden: int, seen: int, marked: str, agree: bool
) -> None:
    one, other = (
        Point(params={}, results={"pages": [value, 1]}, either=EITHER if marked == name else {})
        for name, value in (("golden", golden), ("seen", seen))
    )
    told = [difference.where for difference in point_differences(one, other, DEFAULT_TOLERANCE)]
    assert told == ([] if agree else ["results.pages[0]"])


def test_what_other_orders_change_is_told_with_every_value() -> None:
    results: dict[str, Any] = {"pages": [4, 1], "lengths": {"values": [2, 3]}, "gone": 1}
    others: list[dict[str, Any]] = [
        {"pages": [-1, 1], "lengths": {"values": [2, 3]}},
        {"pages": [5, 1], "lengths": {"values": [2, 9]}, "gone": 1},
        {"pages": [-1, 1], "lengths": {"values": [2, 3]}, "gone": 1},
    ]
    assert values_of_orders(results, others) == {
        "results.pages[0]": [4, -1, 5],
        "results.lengths.values[1]": [3, 9],
    }


def test_the_outcome_and_a_doubled_fault_are_differences() -> None:
    clean, once, twice = (Point(params={}, faults=(STRAY,) * times) for times in range(3))
    told = [difference.text for difference in point_differences(clean, once, DEFAULT_TOLERANCE)]
    assert told[0] == "outcome: golden clean, seen fault"
    assert len(point_differences(once, twice, DEFAULT_TOLERANCE)) == 1


# --- traces ------------------------------------------------------------------------------------

TRACE = [{"event": "launch", "kernel": f"k{index}", "grid": [index], "rms": 0.5} for index in range(6)]


def parting(golden: list[Any], seen: list[Any]) -> str | None:
    found = trace_difference(golden, seen, DEFAULT_TOLERANCE)
    return found.text if found else None


def test_equal_traces_do_not_part() -> None:
    assert parting(TRACE, [dict(event) for event in TRACE]) is None
    assert parting([], []) is None


def test_the_first_parting_is_told_with_its_field_and_what_follows() -> None:
    seen = [*TRACE[:2], {**TRACE[2], "grid": [9]}, TRACE[3], {**TRACE[4], "grid": [9]}, TRACE[5]]
    told = "trace differs from event 2 of 6 on (launch k2), event.grid[0]: golden 2, seen 9"
    assert parting(TRACE, seen) == f"{told}; 1 of the events after it differ too"


def test_a_trace_that_ends_early_or_late_parts_there() -> None:
    short = "trace differs from event 4 of 6 on (launch k4), event: golden launch k4, seen absent"
    assert parting(TRACE, TRACE[:4]) == f"{short}; 1 of the events after it differ too"
    late = "trace differs from event 5 of 6 on (launch k5), event: golden absent, seen launch k5"
    assert parting(TRACE[:5], TRACE) == late


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5), st.integers(10, 20))
def test_the_index_is_that_of_the_first_changed_event(index: int, grid: int) -> None:
    seen = [{**event, "grid": [grid]} if place >= index else event for place, event in enumerate(TRACE)]
    found = trace_difference(TRACE, seen, DEFAULT_TOLERANCE)
    assert found is not None
    assert (found.index, found.following) == (index, len(TRACE) - index - 1)


def test_a_trace_digest_ignores_finite_floats_and_nothing_else() -> None:
    def digest(**facts: Any) -> str:
        return trace_digest([{**TRACE[0], **facts}])

    assert digest(rms=0.5) == digest(rms=0.25)
    assert len({digest(rms=0.5), digest(rms=math.nan), digest(rms=1), digest(grid=[1])}) == 4


# --- parameters ----------------------------------------------------------------------------------


def test_parameters_read_as_they_would_be_given() -> None:
    assert named_params({"page_size": 16, "lens": (1, 2)}) == "page_size=16, lens=1,2"
    assert named_params({}) == "without parameters"
    assert changed_params({"a": 1, "b": (1, 2)}, {"a": 2, "b": [1, 2]}) == {"a": 2}
    assert same_params({"b": (1, 2), "a": 1}, {"a": 1, "b": [1, 2]})
    assert not same_params({"a": 1}, {"a": True})


def test_one_line_is_stable_and_strict() -> None:
    assert one_line({"b": math.nan, "a": (1, 2)}) == '{"a": [1, 2], "b": "NaN"}'

"""A fault as a drawing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observation import Fault
from harness.report.html.strip import CELLS, Strip, draw, draw_sound

STRAY = Fault(kind="oob-write", buffer="table", kernel="fill", numel=8, first=8, last=11, count=4)
LAUNCH = {"event": "launch", "kernel": "fill", "args": {"out": {"buffer": "table", "shape": [2, 4]}}}


def drawn(fault: Fault, *trace: Mapping[str, object]) -> Strip:
    strip = draw(fault, trace)
    assert strip is not None
    return strip


def roles(strip: Strip) -> list[str]:
    return [part.role for part in strip.parts]


def test_a_stray_write_lies_behind_the_buffer_between_fences() -> None:
    strip = drawn(STRAY)
    assert roles(strip) == ["fence", "buffer", "stray", "fence"]
    buffer, stray = strip.parts[1:3]
    assert (buffer.first, buffer.last, buffer.cells, buffer.amount) == (0, 7, 8, "8 elements")
    assert (stray.first, stray.last, stray.cells, stray.amount) == (8, 11, 4, "4 elements")
    assert strip.to_scale and stray.share == pytest.approx(buffer.share / 2, abs=0.01)
    assert strip.told == "table holds 8 elements; fill writes 4 elements outside it, at indices 8 to 11"


def test_the_trace_tells_the_rows() -> None:
    body = drawn(STRAY, LAUNCH).parts[1]
    assert (body.rows, body.label) == (2, "buffer, 2 rows of 4")
    other = {"event": "launch", "args": {"out": {"buffer": "table", "shape": [3, 4]}}}
    assert drawn(STRAY, other).parts[1].rows == 0


def test_a_far_stray_in_front_is_set_apart_and_not_to_scale() -> None:
    fault = Fault(
        kind="oob-read", buffer="pool", kernel="k", numel=2**31, first=-(2**31), last=-(2**31), count=1
    )
    strip = drawn(fault)
    assert roles(strip) == ["fence", "stray", "gap", "buffer", "fence"]
    assert not strip.to_scale
    assert strip.told.endswith("k reads 1 element outside it, at index -2147483648")


def test_strays_on_both_sides() -> None:
    fault = Fault(kind="oob-write", buffer="b", numel=4, first=-2, last=5, count=3)
    strip = drawn(fault)
    assert roles(strip) == ["fence", "stray", "buffer", "stray", "fence"]
    assert strip.parts[1].amount == "3 of 8 elements"


def test_an_index_past_its_row_lies_among_rows() -> None:
    fault = Fault(
        kind="index-range", buffer="page_table", kernel="scatter_", numel=2, first=2, last=2, count=24
    )
    strip = drawn(fault)
    assert roles(strip) == ["neighbour", "buffer", "stray", "neighbour"]
    assert (strip.parts[1].label, strip.parts[2].amount) == ("one row", "24 times")


def test_a_short_buffer_shows_what_is_missing() -> None:
    strip = drawn(Fault(kind="short-buffer", buffer="kv_indptr", numel=6, needed=7))
    assert roles(strip) == ["fence", "buffer", "missing", "fence"]
    assert strip.told == "kv_indptr holds 6 elements; its use needs 7, 1 more"


@pytest.mark.parametrize(("kind", "label"), [("wrong-value", "wrong"), ("nan", "nan")])
def test_wrong_values_lie_inside(kind: str, label: str) -> None:
    strip = drawn(Fault(kind=kind, buffer="out", numel=10, first=5, last=9, count=3))
    assert [(part.role, part.label) for part in strip.parts] == [("buffer", "right"), ("wrong", label)]
    assert strip.parts[1].amount == "3 of 5 elements"


def test_a_race_lies_inside_and_says_nothing_of_what_is_right() -> None:
    strip = drawn(Fault(kind="race", buffer="out", kernel="fill", numel=10, first=5, last=8, count=3))
    assert [part.label for part in strip.parts] == ["buffer", "either", "buffer"]
    assert strip.told.startswith(
        "out holds 10 elements; 3 of them are left to chance by programs of fill, at "
    )


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="exception", message="boom"),
        Fault(kind="signature", buffer="result", kernel="k", count=1),
        Fault(kind="oob-write", buffer="b", numel=4),
        Fault(kind="hang"),
    ],
)
def test_what_names_no_elements_is_not_drawn(fault: Fault) -> None:
    assert draw(fault) is None


def test_the_sound_arm_shows_the_widest_use_of_the_same_buffer() -> None:
    def launch(last: int) -> dict[str, object]:
        argument = {"buffer": "table", "shape": [16], "written": [0, last]}
        return {"event": "launch", "kernel": "fill", "args": {"out": argument}}

    strip = draw_sound(STRAY, [launch(3), launch(11), launch(5)])
    assert (
        strip is not None
        and strip.told == "table holds 16 elements; fill writes inside it, at indices 0 to 11"
    )
    assert roles(strip) == ["fence", "used", "unused", "fence"]


def test_the_sound_arm_of_an_index_shows_a_row() -> None:
    fault = Fault(kind="index-range", buffer="table", kernel="scatter_", numel=2, first=2, last=2, count=1)
    event = {
        "event": "index",
        "op": "scatter_",
        "buffer": "table",
        "indices": [{"extent": 2, "span": [0, 1]}],
    }
    strip = draw_sound(fault, [event])
    assert strip is not None and roles(strip) == ["neighbour", "used", "neighbour"]


def test_a_trace_that_lacks_the_buffer_draws_nothing() -> None:
    assert draw_sound(STRAY, [LAUNCH]) is None


@given(
    st.integers(0, 2**40),
    st.integers(-(2**40), 2**40),
    st.integers(0, 2**40),
    st.sampled_from(["oob-read", "index-range"]),
)
def test_every_strip_fills_the_width_and_follows_on(numel: int, first: int, length: int, kind: str) -> None:
    strip = draw(
        Fault(kind=kind, buffer="b", kernel="k", numel=numel, first=first, last=first + length, count=1)
    )
    if strip is None:
        return
    inner = [part for part in strip.parts if part.label]
    assert sum(part.share for part in strip.parts) == pytest.approx(100, abs=0.1)
    assert all(one.last + 1 == other.first for one, other in pairwise(inner))
    assert all(part.share >= 9 and part.elements > 0 for part in inner)
    assert all(part.cells in (0, part.elements) and part.cells <= CELLS for part in inner)

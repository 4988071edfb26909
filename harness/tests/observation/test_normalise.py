"""Messages that two runs agree on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observation.normalise import MESSAGE_LENGTH, message


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("object at 0x7ffde1", "object at ADDR"),
        ("cannot open /tmp/a-1/b.so: gone", "cannot open PATH: gone"),
        ("pid 4711 ended, PID=12 too", "pid N ended, PID N too"),
        ("at 2026-01-02 03:04:05,678 it broke", "at TIME it broke"),
        ("two\n  lines\t here ", "two lines here"),
    ],
)
def test_what_differs_between_runs_is_taken_out(text: str, normal: str) -> None:
    assert message(text) == normal


@pytest.mark.parametrize(
    "text", ["The size of tensor a (4) must match b (6)", "index 9 is out of bounds", "a / b", "1/2 of it"]
)
def test_sizes_indices_and_fractions_stay(text: str) -> None:
    assert message(text) == text


@given(st.text(max_size=2 * MESSAGE_LENGTH))
def test_any_text_becomes_one_short_line_and_stays_as_it_is_then(text: str) -> None:
    normal = message(text)
    assert len(normal) <= MESSAGE_LENGTH and len(normal.splitlines()) <= 1
    assert message(normal) == normal

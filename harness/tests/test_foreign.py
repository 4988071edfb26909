"""What is read from files that nobody vouched for, and how their text is shown."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import foreign
from harness.errors import BadInput

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def refused(path: Path | str) -> str:
    with pytest.raises(BadInput) as raised:
        foreign.document(path, largest=1000)
    told = str(raised.value)
    assert told.isprintable() and len(told) < 1000
    return told


def test_a_fifo_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    since = time.monotonic()
    assert "is a FIFO" in refused(tmp_path / "fifo")
    assert time.monotonic() - since < 5


def test_what_is_no_regular_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        assert "cannot be read" in refused(tmp_path / "socket")
    assert "is a folder" in refused(tmp_path)
    assert "is a device" in refused("/dev/zero") and "is a device" in refused("/dev/null")
    assert "cannot be read" in refused(tmp_path / "loop") and "cannot be read" in refused(
        tmp_path / "dangling"
    )
    assert "cannot be read" in refused(tmp_path / ("n" * 5000)) and "null" in refused("a\0b")


def test_size_is_bounded_before_anything_is_parsed(tmp_path: Path) -> None:
    (tmp_path / "large").write_text(" " * 1001)
    assert "1000 bytes" in refused(tmp_path / "large")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert "1000 bytes" in refused(tmp_path / "sparse")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 90000, "nested"),
        ("[" * 200 + "]" * 200, "nested"),
        ('{"a": {"b": 1, "b": 2}}', "given twice"),
        ("[NaN]", "NaN"),
        ("[-Infinity]", "Infinity"),
        ("[1e999]", "float"),
        ("[" + "9" * 5000 + "]", "digits"),
        ("", "Expecting value"),
        ('{"a": 1} x', "Extra data"),
    ],
)
def test_json_that_readers_would_take_differently_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "given.json"
    file.write_text(text)
    with pytest.raises(BadInput) as raised:
        foreign.document(file)
    assert said in str(raised.value) and str(raised.value).isprintable()


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'{"a": "\xe9"}')
    assert "UTF-8 (byte 7)" in refused(tmp_path / "latin")


@given(JSON)
def test_what_json_writes_is_read_back(value: object) -> None:
    assert foreign.parsed(json.dumps(value)) == value


@given(st.text())
def test_shown_text_is_one_line_that_nothing_obeys(text: str) -> None:
    told = foreign.shown(text)
    assert told.isprintable() and "\n" not in told and len(told) <= 400 * 10
    assert told == text or not text.isprintable() or len(text) > 400


def test_a_table_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("a = [" * 2000)
    with pytest.raises(BadInput, match="is no TOML"):
        foreign.table(tmp_path / "policy.toml")
    (tmp_path / "policy.toml").write_text("a = 1")
    assert foreign.table(tmp_path / "policy.toml") == {"a": 1}

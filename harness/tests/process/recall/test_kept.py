"""The file of what was worked out before: whole or as it was, and not believed where it is something else."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.process.recall import kept
from harness.process.recall.kept import Kept


def filled(path: Path, **results: bytes) -> Path:
    store = Kept(path)
    for of, result in results.items():
        store.put(of.encode(), result)
    store.save()
    return path


def test_what_was_kept_is_there_for_the_next_process(tmp_path: Path) -> None:
    path = filled(tmp_path / "new/kept", one=b"1", two=b"2")
    assert [Kept(path).get(of) for of in (b"one", b"two", b"three")] == [b"1", b"2", None]
    assert [each.name for each in path.parent.iterdir()] == ["kept"]


def test_what_is_new_comes_to_what_was_there(tmp_path: Path) -> None:
    path = filled(filled(tmp_path / "kept", one=b"1"), two=b"2")
    assert [Kept(path).get(of) for of in (b"one", b"two")] == [b"1", b"2"]


def test_without_anything_new_nothing_is_written(tmp_path: Path) -> None:
    path = filled(tmp_path / "kept", one=b"1")
    before = path.stat().st_ino
    store = Kept(path)
    assert store.get(b"one")
    store.save()
    assert path.stat().st_ino == before


@pytest.mark.parametrize(
    "spoil", [lambda data: b"", lambda data: data[:-1], lambda data: data[:40] + b"?" + data[41:]]
)
def test_a_file_that_was_spoilt_holds_nothing(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = filled(tmp_path / "kept", one=b"1" * 40)
    path.write_bytes(spoil(path.read_bytes()))
    assert Kept(path).get(b"one") is None
    assert Kept(filled(path, two=b"2")).get(b"two") == b"2"


def test_what_another_python_wrote_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path / "kept", one=b"1")
    monkeypatch.setattr(sys, "version", "3.99")
    assert Kept(path).get(b"one") is None


def test_a_file_that_is_none_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "kept").mkdir()
    with caplog.at_level(logging.WARNING):
        filled(tmp_path / "kept", one=b"1")
    assert [str(tmp_path / "kept") in record.getMessage() for record in caplog.records] == [True, True]
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(("limit", "value"), [("MOST", 3), ("LARGEST", 32 + 10 + 3 * 15)])
def test_where_there_is_too_much_only_what_is_asked_for_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(kept, limit, value)
    path = filled(tmp_path / "kept", one=b"1", two=b"2", three=b"3")
    store = Kept(path)
    assert store.get(b"two")
    store.put(b"four", b"4")
    store.save()
    again = Kept(path)
    assert [again.get(of) for of in (b"one", b"two", b"three", b"four")] == [None, b"2", None, b"4"]

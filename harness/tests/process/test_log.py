"""A log stays readable and bounded."""

import os
from pathlib import Path

import pytest

from harness.process import log


def test_the_tail_is_the_end(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"a" * 100 + "ende \u00fc".encode())
    assert log.tail(path, 7) == "ende \u00fc"
    assert log.tail(path, 1) == "\ufffd"
    assert log.tail(tmp_path / "missing.txt") == ""


def test_an_overgrown_log_is_cut_under_its_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "LARGEST", 5000)
    monkeypatch.setattr(log, "KEPT", 1000)
    path = tmp_path / "log.txt"
    writer = log.open_for_arm(path)
    os.write(writer, b"x" * 5000)
    assert not log.trim(path)
    os.write(writer, b"the end")
    assert log.trim(path)
    os.write(writer, b", and more")
    os.close(writer)
    text = path.read_text()
    assert text.startswith("[4007 bytes dropped here]\nxxx")
    assert text.endswith("xxxthe end, and more")
    assert len(text) < 1100


def test_a_log_that_is_not_there_yet_needs_no_trimming(tmp_path: Path) -> None:
    assert log.trim(tmp_path / "log.txt") is False and not (tmp_path / "log.txt").exists()

"""Telling one Triton from another without reading it."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pytest
from triton.runtime import cache

from harness.facts import Platform
from harness.host import triton_files
from harness.host.targets import Target, compiling


class _Files:
    """A distribution of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def locate(self) -> Path:
        return self._path

    def __str__(self) -> str:
        return self._path.name


def _told(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> str:
    found: Any = [_Files(path) for path in paths]
    monkeypatch.setattr(importlib.metadata, "files", lambda name: found)
    triton_files.told.cache_clear()
    try:
        return triton_files.told()
    finally:
        triton_files.told.cache_clear()


def test_any_file_that_is_written_makes_it_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = tmp_path / "libtriton.so", tmp_path / "semantic.py"
    one.write_bytes(b"compiled")
    before = _told(monkeypatch, one, two)
    assert _told(monkeypatch, one, two) == before
    two.write_text("new")
    written = _told(monkeypatch, one, two)
    one.write_bytes(b"compile!")
    assert len({before, written, _told(monkeypatch, one, two), _told(monkeypatch, one)}) == 4


def test_triton_is_told_by_it_while_it_compiles_for_a_target() -> None:
    own = cache.triton_key
    with compiling(Target(Platform.parse("rocm-gfx942")), lambda function, kernel: None):
        assert cache.triton_key() == triton_files.told()
    assert cache.triton_key is own

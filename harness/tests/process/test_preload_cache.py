"""The cache of module names helps, and never harms."""

import logging
from pathlib import Path

import pytest

from harness.process.preload_cache import PreloadCache


def test_it_gives_back_what_was_saved_for_this_key_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "preload.json"
    assert PreloadCache(path, "torch 2").load() == ()
    PreloadCache(path, "torch 2").save(["b", "a"])
    assert PreloadCache(path, "torch 2").load() == ("b", "a")
    assert PreloadCache(path, "torch 3").load() == ()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"3", b'{"key": "k"}', b'{"key": "k", "modules": "abc"}', b"\xff"]
)
def test_what_is_no_cache_is_noted_and_replaced(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cache = PreloadCache(tmp_path / "preload.json", "k")
    cache.path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert cache.load() == ()
    assert "preload.json" in caplog.text
    cache.save(["json"])
    assert cache.load() == ("json",)


def test_a_place_that_cannot_be_written_is_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        PreloadCache(tmp_path / "file" / "preload.json", "k").save(["json"])
    assert "cannot be written" in caplog.text

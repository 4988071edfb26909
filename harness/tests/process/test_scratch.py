"""Shared memory goes with the temporary folder that lists it, and no other does."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.process import scratch


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shm"
    folder.mkdir()
    monkeypatch.setattr(scratch, "SHARED_MEMORY", str(folder))
    for name in ("mine", "other"):
        (folder / name).touch()
    return folder


def test_what_is_listed_goes_with_the_folder(shared: Path, tmp_path: Path) -> None:
    inner = tmp_path / "scratch" / "1" / "srv"
    inner.mkdir(parents=True)
    scratch.note(inner, ["mine", "gone already", "../outside"])
    (tmp_path / "outside").touch()
    scratch.clear(tmp_path / "scratch")
    assert [path.name for path in shared.iterdir()] == ["other"]
    assert not (tmp_path / "scratch").exists() and (tmp_path / "outside").exists()


def test_a_folder_without_a_list_or_none_at_all_is_no_trouble(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    scratch.clear(tmp_path / "plain")
    scratch.clear(tmp_path / "never was")
    assert len(list(shared.iterdir())) == 2 and not (tmp_path / "plain").exists()

"""Files that change while arms run: what is noticed, who is blamed, and what is put back."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from harness.suite.guard import Guard


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one.json", "below/two.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def guarding(folder: Path, *, restored: bool = False) -> Guard:
    guard = Guard()
    guard.watch(folder, restored=restored)
    return guard


def test_nothing_changed_is_nothing_said(folder: Path) -> None:
    (folder / "__pycache__").mkdir()
    guard = guarding(folder)
    (folder / "__pycache__" / "one.pyc").touch()
    (folder / "below" / "two.pyc").touch()
    assert (folder / "one.json").read_text() and guard.changed(0) == ()


@pytest.mark.parametrize("restored", [True, False])
def test_a_file_written_a_new_one_and_one_taken_away(folder: Path, restored: bool) -> None:
    guard = guarding(folder, restored=restored)
    (folder / "one.json").write_text("eno.json")
    (folder / "new.json").write_text("")
    (folder / "below" / "two.json").unlink()
    names = ("below/two.json", "new.json", "one.json")
    assert guard.changed(0) == tuple(str(folder / name) for name in names)
    there = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json"))
    assert there == (["below/two.json", "one.json"] if restored else ["new.json", "one.json"])
    assert (folder / "one.json").read_text() == ("one.json" if restored else "eno.json")


def test_times_that_were_put_back_hide_nothing(folder: Path) -> None:
    guard, file = guarding(folder), folder / "one.json"
    about = file.stat()
    file.write_text("eno.json")
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert file.stat().st_size == about.st_size and guard.changed(0) == (str(file),)


def test_a_change_is_of_those_that_ran_then(folder: Path) -> None:
    guard = guarding(folder, restored=True)
    (folder / "one.json").write_text("")
    beside = time.monotonic()
    assert guard.changed(beside) == guard.changed(beside) == (str(folder / "one.json"),)
    assert guard.changed(time.monotonic()) == ()


def test_a_folder_that_is_gone_is_missed_whole(folder: Path) -> None:
    guard = guarding(folder / "below", restored=True)
    (folder / "below" / "two.json").unlink()
    (folder / "below").rmdir()
    assert guard.changed(0) and (folder / "below" / "two.json").read_text() == "below/two.json"

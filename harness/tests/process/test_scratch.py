"""Shared memory goes with the temporary folder that lists it, and no other does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from harness.process import scratch, shared_memory


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


def test_a_folder_that_another_takes_away_meanwhile_is_no_trouble(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1", "1/srv", "2", "2/srv"):
        (tmp_path / "scratch" / name).mkdir(parents=True)
        scratch.note(tmp_path / "scratch" / name, ["mine"])
    read = Path.read_text

    def read_and_lose(path: Path, encoding: str) -> str:
        told = read(path, encoding)
        shutil.rmtree(tmp_path / "scratch")
        return told

    monkeypatch.setattr(Path, "read_text", read_and_lose)
    scratch.clear(tmp_path / "scratch")
    assert [path.name for path in shared.iterdir()] == ["other"]


MAKES = """
import sys
from harness.process import scratch
kept = scratch.make(sys.argv[1])
print(flush=True)
input()
"""


def test_a_pool_s_folder_is_dead_as_soon_as_its_holder_is_and_not_before(tmp_path: Path) -> None:
    folder = scratch.new(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", MAKES, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    (folder / "1").mkdir()
    assert scratch.clear_dead(tmp_path) == () and folder.is_dir()
    holder.kill()
    holder.communicate()
    assert scratch.clear_dead(tmp_path) == (folder,) and list(tmp_path.iterdir()) == []


def test_what_carries_no_lock_or_another_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "refault-01234567").mkdir()
    os.close(scratch.make(tmp_path / "refault-mine"))
    assert scratch.clear_dead(tmp_path) == () and len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_was_never_finished_goes_once_it_is_old(tmp_path: Path) -> None:
    half = tmp_path / "refault-01234567.half"
    half.mkdir()
    assert scratch.clear_dead(tmp_path) == ()
    os.utime(half, (0, 0))
    assert scratch.clear_dead(tmp_path) == (half,) and not half.exists()


@pytest.mark.skipif(not shared_memory.FOLDER.is_dir(), reason="this machine has no /dev/shm")
def test_what_a_process_uses_is_noted_and_goes_with_the_folder(tmp_path: Path) -> None:
    before = shared_memory.present()
    path = shared_memory.FOLDER / f"refault_test_{uuid.uuid4().hex}"
    other = path.with_name(f"{path.name}_other")
    try:
        other.touch()
        script = "import sys; held = open(sys.argv[1], 'w'); print(flush=True); sys.stdin.read()"
        command = [sys.executable, "-c", script, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None and holder.stdout.readline()
            scratch.note_used(tmp_path, os.getpid(), before)
            holder.communicate()
        scratch.clear(tmp_path)
        assert not path.exists() and other.exists()
    finally:
        path.unlink(missing_ok=True)
        other.unlink(missing_ok=True)

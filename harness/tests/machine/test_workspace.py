"""The cache folder: where it is, what is kept in it, and what is thrown away."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.machine.workspace import RUNS_KEPT, Workspace, default


def ended_pid() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def old_run(workspace: Workspace, name: str, age: int) -> Path:
    run = workspace.runs / name
    run.mkdir(parents=True)
    (run / "log.txt").write_text("old")
    os.utime(run, (1_000_000 - age, 1_000_000 - age))
    return run


def test_the_environment_chooses_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path / "own"))
    assert default().root == tmp_path / "own"
    monkeypatch.setenv("REFAULT_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default().root == tmp_path / "xdg/refault"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default().root == tmp_path / ".cache/refault"


def test_a_relative_folder_is_where_the_command_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REFAULT_CACHE", "cache")
    assert default().root == tmp_path / "cache"


def test_only_the_newest_runs_are_kept(tmp_path: Path) -> None:
    workspace, pid = Workspace(tmp_path), ended_pid()
    runs = [old_run(workspace, f"{pid}-{age}", age) for age in range(RUNS_KEPT + 3)]
    new = workspace.new_run()
    kept = set(workspace.runs.iterdir())
    assert kept == {new, *runs[: RUNS_KEPT - 1]} and len(kept) == RUNS_KEPT


def test_a_run_that_is_still_going_on_is_kept_however_old(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    living = old_run(workspace, f"{os.getpid()}-mine", 10_000)
    for age in range(RUNS_KEPT + 1):
        old_run(workspace, f"{ended_pid()}-{age}", age)
    workspace.new_run()
    assert living.is_dir()


def test_runs_of_several_processes_at_once_get_a_folder_each(tmp_path: Path) -> None:
    workspace, pid = Workspace(tmp_path), ended_pid()
    for age in range(RUNS_KEPT):
        old_run(workspace, f"{pid}-{age}", age)
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda _: workspace.new_run(), range(24)))
    assert len(set(runs)) == 24 and all(run.is_dir() for run in runs)


def test_an_unwritable_cache_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"cannot be written .*: set REFAULT_CACHE to a folder"):
        Workspace(tmp_path / "file").new_run()


def _homeless(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    for name in ("REFAULT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)


def test_who_has_no_home_gets_a_folder_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _homeless(monkeypatch, tmp_path)
    root = default().root
    assert root.parent == tmp_path and root.stat().st_mode & 0o777 == 0o700
    assert default().root == root


def test_a_folder_that_others_may_write_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _homeless(monkeypatch, tmp_path)
    default().root.chmod(0o777)
    with pytest.raises(BadInput, match="not yours alone"):
        default()


def test_a_home_that_cannot_be_written_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _homeless(monkeypatch, tmp_path)
    monkeypatch.setattr(Path, "home", lambda: Path("/proc"))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != Path("/proc"))
    assert default().root.parent == tmp_path

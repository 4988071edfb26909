"""What a process has loaded is what lies there, until a file, a folder or a library is another."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.process.warm.loaded import Loaded
from harness.process.warm.surroundings import search_path

SCRIPT = """
import json, sys; sys.path[:] = json.loads(sys.argv[1])
import m_package.m_part
from harness.process.warm.loaded import Loaded
print(json.dumps(Loaded.here(int(sys.argv[2])).to_json()))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package on the search path, and another place on it that is not there."""
    (tmp_path / "m_package").mkdir()
    (tmp_path / "m_package" / "__init__.py").write_text("")
    (tmp_path / "m_package" / "m_part.py").write_text("A = 1")
    _told(tmp_path).parent.mkdir()
    _told(tmp_path).write_text("Version: 1\n")
    monkeypatch.syspath_prepend(str(tmp_path / "absent"))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def _loaded(since: int = 1 << 62) -> Loaded:
    command = [sys.executable, "-c", SCRIPT, json.dumps(search_path()), str(since)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Loaded.from_json(json.loads(done.stdout))


def test_what_it_names(folder: Path) -> None:
    loaded = _loaded()
    assert {str(folder / "m_package" / name) for name in ("__init__.py", "m_part.py")} <= loaded.files.keys()
    assert {json.__file__, os.path.realpath(sys.executable)} <= loaded.files.keys()
    assert any("libc.so" in path or "libc-" in path for path in loaded.files)
    assert {str(folder), str(folder / "m_package"), str(folder / "absent")} <= loaded.folders.keys()
    assert loaded.changed() is None and loaded.late is None


def _replace(path: Path, text: str) -> None:
    path.with_suffix(".half").write_text(text)
    path.with_suffix(".half").replace(path)


def _rewrite_with_its_old_time(path: Path) -> None:
    before = path.stat()
    path.write_text("A = 2")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "written": (lambda folder: (folder / "m_package/m_part.py").write_text("A = 10"), "m_package/m_part.py"),
    "same size": (lambda folder: (folder / "m_package/m_part.py").write_text("A = 2"), "m_package/m_part.py"),
    "old time": (
        lambda folder: _rewrite_with_its_old_time(folder / "m_package/m_part.py"),
        "m_package/m_part.py",
    ),
    "replaced": (lambda folder: _replace(folder / "m_package/m_part.py", "A = 1"), "m_package/m_part.py"),
    "removed": (lambda folder: (folder / "m_package/m_part.py").unlink(), "m_package/m_part.py"),
    "new module": (lambda folder: (folder / "m_new.py").write_text(""), ""),
    "new package": (lambda folder: (folder / "m_new").mkdir(), ""),
    "installed": (lambda folder: (folder / "m_new-1.0.dist-info").mkdir(), ""),
    "told anew": (lambda folder: _told(folder).write_text("Version: 2\n"), "m_there-1.0.dist-info/METADATA"),
    "new part": (lambda folder: (folder / "m_package/m_new.py").write_text(""), "m_package"),
    "new place": (lambda folder: _new_place(folder / "absent"), "absent"),
}


def _told(folder: Path) -> Path:
    return folder / "m_there-1.0.dist-info" / "METADATA"


def _new_place(path: Path) -> None:
    path.mkdir()
    (path / "m_other.py").write_text("")


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named(folder: Path, name: str) -> None:
    change, where = CHANGES[name]
    loaded = _loaded()
    change(folder)
    # A place that appears is a name in the folder that holds it, too.
    assert loaded.changed() in {str(folder / where), str(folder)}


def test_what_no_import_could_find_is_no_change(folder: Path) -> None:
    loaded = _loaded()
    (folder / "results.json").write_text("{}")
    (folder / ".git").mkdir()
    (folder / "m_package" / "__pycache__").mkdir(exist_ok=True)
    (folder / "m_package" / "__pycache__" / "m_new.pyc").write_bytes(b"")
    assert loaded.changed() is None


def _now(folder: Path) -> int:
    """The time as files have it, with some before and after: they have it in steps of a few ms."""
    time.sleep(0.02)
    (folder / "mark.txt").touch()
    time.sleep(0.02)
    return (folder / "mark.txt").stat().st_ctime_ns


def test_what_changed_while_it_was_loaded_is_late(folder: Path) -> None:
    since = _now(folder)
    assert _loaded(since).late is None
    (folder / "m_package" / "m_part.py").touch()
    assert _loaded(since).late == str(folder / "m_package" / "m_part.py")


def test_what_was_installed_while_it_was_loaded_is_late(folder: Path) -> None:
    since = _now(folder)
    (folder / "m_new.py").touch()
    assert _loaded(since).late == str(folder / "m_new.py")


def test_a_module_that_loads_others_when_it_is_asked_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lazy:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} was asked for")

    monkeypatch.setitem(sys.modules, "m_lazy", Lazy())
    Loaded.here(0)


def test_a_process_that_looks_for_no_others_knows_its_modules_alone() -> None:
    loaded = Loaded.modules(1 << 62)
    assert not loaded.folders and os.path.abspath(Path(__file__)) in loaded.files

"""The boot file waits for the package, costs other processes next to nothing, and hides nobody's file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.host import boot
from harness.host.boot.sitecustomize import VARIABLE

BOOT = str(Path(boot.__file__).parent)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A package `wares`, an entry that says when it was called, and settings that name both."""
    (tmp_path / "wares").mkdir()
    (tmp_path / "wares/__init__.py").write_text("print('wares')")
    (tmp_path / "doorman.py").write_text("def begin(settings): print('begin', settings['word'])")
    settings = {"package": "wares", "entry": "doorman:begin", "word": "open"}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    return tmp_path


def run(folder: Path, code: str, *path: Path, served: bool = True) -> str:
    """What an interpreter says that starts with the boot folder first on its path."""
    found = os.pathsep.join([BOOT, str(folder), *map(str, path)])
    own = {VARIABLE: str(folder / "settings.json")} if served else {}
    known = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**known, "PYTHONPATH": found, **own},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_entry_is_called_once_and_before_the_package(folder: Path) -> None:
    assert run(folder, "import wares, importlib; importlib.reload(wares)") == "begin open\nwares\nwares\n"


def test_the_package_comes_from_wherever_the_entry_put_first(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "wares").mkdir(parents=True)
    (other / "wares/__init__.py").write_text("print('the other')")
    doorman = f"import sys\ndef begin(settings): sys.path.insert(0, {str(other)!r})"
    (folder / "doorman.py").write_text(doorman)
    assert run(folder, "import wares") == "the other\n"


def test_a_process_that_never_asks_for_the_package_is_left_alone(folder: Path) -> None:
    told = "import sys; print(sorted(n for n in sys.modules if n.split('.')[0] in ('harness', 'torch')))"
    assert run(folder, told) == "[]\n"


def test_without_settings_nothing_waits(folder: Path) -> None:
    assert run(folder, "import wares", served=False) == "wares\n"


def test_another_sitecustomize_still_runs(folder: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("print('hidden')")
    assert run(folder, "import wares", hidden) == "hidden\nbegin open\nwares\n"

"""Modules are changed when they are imported, whoever else has a hand in their import."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import imports


@pytest.fixture(autouse=True)
def wares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "wares").mkdir()
    (tmp_path / "wares/__init__.py").write_text("")
    (tmp_path / "wares/shelf.py").write_text("count = 1\n\ndef doubled():\n    return 2 * count\n")
    (tmp_path / "wares/broken.py").write_text("raise ValueError('broken')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = list(sys.meta_path)
    yield
    sys.meta_path[:] = before
    for name in [name for name in sys.modules if name.partition(".")[0] == "wares"]:
        del sys.modules[name]


def more(module: Any) -> None:
    module.count += 1


def test_a_module_is_changed_once_it_is_executed() -> None:
    imports.after({"wares.shelf": more})
    assert "wares.shelf" not in sys.modules
    shelf = importlib.import_module("wares.shelf")
    assert shelf.count == 2 and shelf.doubled() == 4
    assert "2 * count" in inspect.getsource(shelf.doubled)


def test_a_module_that_is_there_already_is_changed_now() -> None:
    shelf = importlib.import_module("wares.shelf")
    imports.after({"wares.shelf": more})
    assert shelf.count == 2


def test_a_module_that_was_only_asked_for_is_changed_when_it_is_imported() -> None:
    imports.after({"wares.shelf": more})
    assert importlib.util.find_spec("wares.shelf")
    shelf = importlib.import_module("wares.shelf")
    assert shelf.count == 2
    assert importlib.reload(shelf).count == 1


def test_two_changes_of_one_module_are_both_made() -> None:
    imports.after({"wares.shelf": more})
    imports.after({"wares.shelf": more})
    assert importlib.import_module("wares.shelf").count == 3


def test_a_module_that_fails_is_not_changed_and_fails_as_it_did() -> None:
    seen: list[Any] = []
    imports.after({"wares.broken": seen.append})
    with pytest.raises(ValueError, match="broken"):
        importlib.import_module("wares.broken")
    assert seen == []


def test_a_module_that_is_not_there_is_still_missing() -> None:
    imports.after({"wares.gone": more})
    with pytest.raises(ModuleNotFoundError, match=r"wares\.gone"):
        importlib.import_module("wares.gone")

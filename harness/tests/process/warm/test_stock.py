"""Fork servers that are to be forked: what keeps one from being held."""

import os
import time
from pathlib import Path

import pytest

from harness.errors import Unresolved
from harness.process.descendants import descendants
from harness.process.job import Environment
from harness.process.warm.stock import Changing, Stock

THREAD = "import threading, time; threading.Thread(target=time.sleep, args=[60], daemon=True).start()"
TOUCH = "import os; os.utime(__file__)"


def _environments(folder: Path, name: str, text: str) -> dict[str, Environment]:
    (folder / "modules" / f"{name}.py").write_text(text, encoding="utf-8")
    time.sleep(0.02)  # so that it is older than the stock: files have times in steps of a few ms
    return {"plain": Environment(preload=("json", name))}


def test_what_is_held_is_loaded_and_ends_with_the_stock(folder: Path) -> None:
    before = {one.pid for one in descendants(os.getpid())}  # pools of other tests
    with Stock(_environments(folder, "m_own", "")) as stock:
        (key,) = (one.key for one in stock.environments.values())
        held = stock.of(key)
        assert held is not None and str(folder / "modules" / "m_own.py") in held.loaded.files
        assert stock.changed(held) is None and stock.of("another") is None
        assert stock.memory > 1 << 20
        (pid,) = _settled(before)
    assert pid not in {one.pid for one in descendants(os.getpid())}


def _settled(before: set[int]) -> set[int]:
    """What there is beside these, once the process is gone that told what was loaded."""
    deadline = time.monotonic() + 10
    while len(found := {one.pid for one in descendants(os.getpid())} - before) > 1:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    return found


def test_one_with_threads_is_not_held(folder: Path) -> None:
    with pytest.raises(Unresolved, match=r"plain has 2 threads: what is forked of it may hang"):
        Stock(_environments(folder, "m_thread", THREAD))


def test_one_that_dies_leaves_its_last_words(folder: Path) -> None:
    text = "import os; os.write(2, b'the last words'); os._exit(1)"
    with pytest.raises(Unresolved, match="what plain arms share cannot be imported: the last words"):
        Stock(_environments(folder, "m_dies", text))


def test_a_module_that_cannot_be_imported_is_left_to_the_arms(folder: Path) -> None:
    with Stock(_environments(folder, "m_fails", "raise ValueError")) as stock:
        assert stock.files > 10


def test_what_changes_while_it_is_loaded_is_not_held(folder: Path) -> None:
    with pytest.raises(Changing, match=r"m_touched.py changed while it was loaded: start again when"):
        Stock(_environments(folder, "m_touched", TOUCH))

"""Imports ahead of the arms: what fails, what is refused, and what an arm had to import itself."""

import os
import sys
import types
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from harness.process import preload


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the search path; what was imported from it is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def _write(folder: Path, **sources: str) -> None:
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)


def _load(*names: str, arm_only: str = "upstream_x") -> dict[str, str]:
    return dict(preload.load(names, frozenset({arm_only})))


def test_a_module_that_fails_is_named_and_the_rest_is_loaded(modules: Path) -> None:
    _write(modules, m_exits="raise SystemExit(3)", m_breaks="1 / 0", m_fine="")
    problems = _load("m_exits", "m_breaks", "m_missing", "m_missing.sub", "m_fine")
    assert list(problems) == ["m_exits", "m_breaks", "m_missing"]
    assert problems["m_breaks"] == "not preloaded: ZeroDivisionError: division by zero"
    assert "m_fine" in sys.modules and "m_breaks" not in sys.modules


@pytest.mark.parametrize(
    "source",
    [
        "import upstream_x",
        "try:\n    import upstream_x.part\nexcept Exception:\n    pass",
        "import importlib.util\nHAS = importlib.util.find_spec('upstream_x') is not None",
    ],
)
def test_a_module_that_asks_for_what_is_left_to_arms_is_not_loaded(modules: Path, source: str) -> None:
    _write(modules, m_asks=source, m_before="", upstream_x="")
    problems = _load("m_before", "m_asks")
    assert list(problems) == ["m_asks"] and "upstream_x" in problems["m_asks"]
    assert "m_asks" not in sys.modules and "upstream_x" not in sys.modules
    assert not any(isinstance(finder, preload._Gate) for finder in sys.meta_path)


def test_a_module_that_starts_a_thread_is_named_but_stays(modules: Path) -> None:
    _write(
        modules,
        m_threads="import threading; stop = threading.Event(); threading.Thread(target=stop.wait).start()",
    )
    problems = _load("m_threads")
    sys.modules["m_threads"].stop.set()
    assert "started a thread" in problems["m_threads"]


def test_only_modules_that_a_fork_server_could_load_too_are_learned(modules: Path) -> None:
    _write(modules, m_real="", upstream_x="")
    before = frozenset(sys.modules)
    stand_in = types.ModuleType("m_stand_in")
    made_up = types.ModuleType("m_made_up")
    made_up.__spec__ = ModuleSpec("m_made_up", None, origin=os.path.join(modules, "nowhere.py"))
    import m_real  # type: ignore[import-not-found]
    import upstream_x  # type: ignore[import-not-found]  # noqa: F401

    sys.modules.update({"m_stand_in": stand_in, "m_made_up": made_up, "m_alias": m_real})
    assert preload.imported_since(before, frozenset({"upstream_x"})) == ["m_real"]

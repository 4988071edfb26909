"""Stand-ins for accelerator libraries come after upstream's modules, and only where they are missing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from harness.errors import FactsError, StandInMisused
from harness.host import libraries

LIBRARY = "refault_test_library"
MODULES = {LIBRARY: ("merge",), f"{LIBRARY}.attention": ("attend",)}


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A library with a stand-in that is not installed; the folder is on the path."""
    monkeypatch.setattr(libraries, "LIBRARIES", {LIBRARY: MODULES})
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in (LIBRARY, "prober")]:
        del sys.modules[name]


def provided() -> ModuleType:
    libraries.load((), (LIBRARY,))
    return importlib.import_module(LIBRARY)


def test_its_names_import_and_raise_when_called() -> None:
    assert provided().merge.__name__
    attention = importlib.import_module(f"{LIBRARY}.attention")
    with pytest.raises(StandInMisused, match=f"{LIBRARY}.attention.attend was called"):
        attention.attend(1, out=2)


def test_it_holds_no_other_name() -> None:
    assert not hasattr(provided(), "attend")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{LIBRARY}.gemm")


def test_a_module_that_probes_for_the_library_is_loaded_before(library: Path) -> None:
    (library / "prober.py").write_text(
        f"import importlib.util\nfound = importlib.util.find_spec({LIBRARY!r}) is not None\n"
    )
    libraries.load(("prober",), (LIBRARY,))
    assert sys.modules["prober"].found is False
    assert LIBRARY in sys.modules


def test_what_was_put_in_place_is_said_once() -> None:
    assert libraries.load((), (LIBRARY,)) == (f"sys.modules: inert stand-in for {LIBRARY}",)
    assert libraries.load((), (LIBRARY,)) == ()


def test_an_installed_library_stays_as_it_is(library: Path) -> None:
    (library / f"{LIBRARY}.py").write_text("merge = 'real'\n")
    importlib.invalidate_caches()
    assert libraries.load((), (LIBRARY,)) == ()
    assert importlib.import_module(LIBRARY).merge == "real"


def test_a_library_without_a_stand_in_is_refused() -> None:
    with pytest.raises(FactsError, match=f"no stand-in for the library other: there are {LIBRARY}"):
        libraries.load((), ("other",))


def test_modules_that_a_release_does_not_have_are_left_out(library: Path) -> None:
    (library / "prober").mkdir()
    (library / "prober" / "__init__.py").write_text("")
    (library / "prober" / "one.py").write_text("")
    (library / "prober" / "broken").mkdir()
    (library / "prober" / "broken" / "__init__.py").write_text("import refault_test_missing")
    asked = ("prober.one", "prober.two", "prober.one.inner", "prober.gone.inner", "prober", "gone")
    assert libraries.there(asked) == ("prober.one", "prober")
    with pytest.raises(ModuleNotFoundError, match="refault_test_missing"):
        libraries.there(("prober.broken.inner",))

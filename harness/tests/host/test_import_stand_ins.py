"""Names of libraries are there while the modules that import them are imported, and not after."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import StandInMisused
from harness.host import import_stand_ins

REAL = import_stand_ins.STAND_INS
MODULES = {
    "wares.borrower": "from gone.ops import swap, width\nfrom gone import flat\nimport wares.probe\n",
    "wares.probe": "try:\n    from gone import flat\nexcept ImportError:\n    flat = None\n",
    "wares.nested": "from gone.ops import swap\nimport wares.borrower\nfrom gone.ops import swap as again\n",
    "wares.stranger": "from gone.ops import swap\n",
}
STAND_INS = {
    "wares.borrower": {"gone.ops": ("swap", "width"), "gone": ("flat",)},
    "wares.nested": {"gone.ops": ("swap",)},
}


@pytest.fixture(autouse=True)
def wares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package that borrows from a library which is not there."""
    (tmp_path / "wares").mkdir()
    for name, source in {"wares.__init__": "", **MODULES}.items():
        (tmp_path / f"{name.replace('.', '/')}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(import_stand_ins, "STAND_INS", STAND_INS)
    monkeypatch.setattr(import_stand_ins, "_KERNEL", "gone")
    monkeypatch.setattr(import_stand_ins, "_AITER", "gone_too")
    monkeypatch.setattr(import_stand_ins, "_USED_AT_IMPORT", {"gone.ops.width": 8})
    before = list(sys.meta_path)
    yield
    sys.meta_path[:] = before
    for name in [name for name in sys.modules if name.partition(".")[0] in ("wares", "gone")]:
        del sys.modules[name]


def test_the_module_gets_its_names_and_calling_one_names_it() -> None:
    assert len(import_stand_ins.install()) == 2
    borrower = importlib.import_module("wares.borrower")
    assert borrower.width == 8
    with pytest.raises(StandInMisused, match=r"gone\.ops\.swap was called, but only its name"):
        borrower.swap()


def test_nothing_of_it_stays() -> None:
    import_stand_ins.install()
    importlib.import_module("wares.borrower")
    assert not [name for name in sys.modules if name.partition(".")[0] == "gone"]
    with pytest.raises(ModuleNotFoundError, match="gone"):
        importlib.import_module("wares.stranger")


def test_a_nested_import_leaves_the_outer_one_its_names() -> None:
    import_stand_ins.install()
    nested = importlib.import_module("wares.nested")
    assert nested.swap is nested.again and "gone" not in sys.modules


def test_a_library_that_is_installed_is_not_lent(tmp_path: Path) -> None:
    (tmp_path / "gone.py").write_text("")
    (told,) = import_stand_ins.install()
    assert "gone_too" in told
    with pytest.raises(ImportError):
        importlib.import_module("wares.borrower")


def test_the_source_is_found_through_the_module() -> None:
    import_stand_ins.install()
    assert inspect.getsource(importlib.import_module("wares.borrower")) == MODULES["wares.borrower"]


def test_every_lent_name_belongs_to_a_library_it_looks_for() -> None:
    libraries = {home.partition(".")[0] for names in REAL.values() for home in names}
    assert libraries == {"aiter", "sgl_kernel"}
    assert all(names for chosen in REAL.values() for names in chosen.values())

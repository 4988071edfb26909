"""How an arm imports the code under test."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import Unresolved
from harness.source import importing
from harness.source.bytecode import Bytecode, Making
from harness.source.tree import Tree


@pytest.fixture
def arm(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    """This process as an arm of the toy tree."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
    (tree.root / "toy_beside.py").write_text("")
    importing.install(tree.root, "toy", Bytecode().to_json())
    yield tree
    for name in [name for name in sys.modules if name.partition(".")[0] == "toy"]:
        del sys.modules[name]


def test_the_package_comes_from_its_tree_and_nothing_beside_it(arm: Tree) -> None:
    assert importlib.import_module("toy.plain").__file__ == str(arm.folder / "plain.py")
    assert importlib.util.find_spec("toy_beside") is None and str(arm.root) not in sys.path
    assert importlib.util.find_spec("toy.gone") is None


def test_no_bytecode_is_written(arm: Tree) -> None:
    importlib.import_module("toy.ops.kernels")
    assert sys.dont_write_bytecode and not list(arm.root.rglob("*.pyc"))


def test_no_other_finder_gives_a_package_that_the_tree_has_not(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.syspath_prepend(str(tree.root))
    importing.install(tmp_path / "empty", "toy", Bytecode().to_json())
    with pytest.raises(ModuleNotFoundError, match="No module named 'toy'"):
        importlib.import_module("toy")


def test_bytecode_that_came_later_is_refused(arm: Tree) -> None:
    (arm.folder / "late.pyc").write_bytes(b"")
    with pytest.raises(Unresolved, match=r"toy\.late is bytecode alone"):
        importlib.import_module("toy.late")


def test_its_metadata_is_the_tree_s(arm: Tree) -> None:
    assert not [one for one in importlib.metadata.distributions() if one.name == "toy"]
    (arm.root / "toy-1.2.3.dist-info").mkdir()
    (arm.root / "toy-1.2.3.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: toy\nVersion: 1.2.3\n"
    )
    assert importlib.metadata.version("toy") == "1.2.3"
    assert not list(importlib.metadata.distributions(name="toy", path=[str(arm.root / "gone")]))


def test_what_the_run_compiled_is_taken(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
    made = Making(tree.root, "toy", ["toy.plain"], tmp_path / "made", deep=False)
    importing.install(tree.root, "toy", made.done.to_json())
    loader = importlib.util.find_spec("toy.plain").loader  # type: ignore[union-attr]
    monkeypatch.setattr(type(loader), "source_to_code", None)  # nothing is compiled here
    assert importlib.import_module("toy.plain").NUMBER == 7
    for name in ("toy", "toy.plain"):
        del sys.modules[name]

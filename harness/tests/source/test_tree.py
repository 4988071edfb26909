"""Trees: found, named, hashed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.source.tree import Tree, at, installed
from harness.tests.source import toy


def fresh(tree: Tree) -> str:
    return replace(tree).content_hash


def test_found_from_the_folder_the_checkout_and_the_package(tmp_path: Path) -> None:
    root = toy.write(tmp_path / "checkout" / "python")
    for path in (root, tmp_path / "checkout", root / "toy"):
        assert at(path, "toy") == Tree(root, "toy", "path", "1.2.3")


def test_relative_paths_become_absolute(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.root)
    assert at(".", "toy").root == tree.root and at("toy", "toy").root == tree.root


@pytest.mark.parametrize("make", ["nothing", "a folder", "an empty package", "a file"])
def test_no_package_is_one_line_with_the_remedy(tmp_path: Path, make: str) -> None:
    path = tmp_path / "given"
    if make == "a file":
        path.write_text("")
    elif make != "nothing":
        (path / ("toy" if make == "an empty package" else "")).mkdir(parents=True)
    with pytest.raises(
        BadInput, match=r"given.* give the .*(folder that contains|one that holds)|toy/"
    ) as caught:
        at(path, "toy")
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_installed_is_found_without_importing_it(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree.folder / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tree.root))
    assert installed("toy") == replace(tree, origin="installed")
    assert "toy" not in sys.modules
    with pytest.raises(BadInput, match="no_such_toy is not installed here"):
        installed("no_such_toy")


def test_version_from_metadata_beside_else_none(tree: Tree) -> None:
    (tree.folder / "_version.py").unlink()
    assert at(tree.root, "toy").version is None
    # A fallback inside an except clause is no version of this tree.
    (tree.folder / "version.py").write_text(
        'try:\n    import x\nexcept ImportError:\n    __version__ = "0.0.0"\n'
    )
    assert at(tree.root, "toy").version is None
    (tree.root / "toy-4.5.dist-info").mkdir()
    (tree.root / "toy-4.5.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: toy\nVersion: 4.5\n"
    )
    assert at(tree.root, "toy").version == "4.5"


def test_hash_is_the_package_alone_wherever_it_lies(tree: Tree, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tree.root, elsewhere)
    (elsewhere / "another").mkdir()
    (elsewhere / "another" / "file.py").write_text("x")
    subprocess.run([sys.executable, "-m", "compileall", "-q", elsewhere / "toy"], check=True)
    assert list(elsewhere.rglob("*.pyc")) and at(elsewhere, "toy").content_hash == tree.content_hash


@pytest.mark.parametrize("change", ["edit", "add", "rename", "delete", "move a byte between files"])
def test_hash_notices(tree: Tree, change: str) -> None:
    before, plain = fresh(tree), tree.folder / "plain.py"
    if change == "edit":
        plain.write_text("NUMBER = 8\n")
    elif change == "add":
        (tree.folder / "data" / "more.bin").write_bytes(b"\0")
    elif change == "rename":
        plain.rename(tree.folder / "plaim.py")
    elif change == "delete":
        plain.unlink()
    else:
        (tree.folder / "_version.py").write_text((tree.folder / "_version.py").read_text()[:-1])
        plain.write_text("\n" + plain.read_text())
    assert fresh(tree) != before


def test_hash_follows_links(tree: Tree, tmp_path: Path) -> None:
    linked = tmp_path / "linked" / "toy"
    linked.mkdir(parents=True)
    for entry in tree.folder.iterdir():
        (linked / entry.name).symlink_to(entry)
    assert at(linked.parent, "toy").content_hash == tree.content_hash


def test_hash_ends_on_a_link_to_above_and_knows_a_dangling_one(tree: Tree) -> None:
    (tree.folder / "data" / "up").symlink_to(tree.folder)
    whole = fresh(tree)
    os.symlink(tree.root / "gone", tree.folder / "data" / "lost")
    assert dict(replace(tree).broken) == {"data/lost": "leads nowhere (No such file or directory)"}
    assert fresh(tree) != whole and "data/lost" not in list(replace(tree).files())

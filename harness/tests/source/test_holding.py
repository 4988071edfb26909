"""Files that hold some bytes are found without a listing, and where that is no use nothing is said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.foreign import LARGEST_SOURCE
from harness.source.holding import holding
from harness.source.listing import DEEPEST_FOLDER
from harness.source.symbols import find_function, sites
from harness.source.tree import Tree
from harness.tests.source.test_symbols import EVERY

NAME = b"some_name"


def _written(folder: Path, **files: bytes) -> str:
    for name, data in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return str(folder)


def test_files_at_any_depth_and_of_any_length(tmp_path: Path) -> None:
    large = b"#" * (1 << 20)
    folder = _written(tmp_path, a=large + NAME, b=b"", c__d__e=NAME, c__f=NAME[:-1], g=large)
    (tmp_path / "c" / "data.txt").write_bytes(NAME)
    os.symlink("a.py", tmp_path / "link.py")
    os.symlink("gone.py", tmp_path / "dangling.py")
    os.mkfifo(tmp_path / "pipe.py")
    os.symlink("c/d", tmp_path / "elsewhere")
    os.symlink("../..", tmp_path / "c" / "d" / "round")
    assert sorted(holding(folder, NAME) or ()) == ["a.py", "c/d/e.py", "elsewhere/e.py", "link.py"]


UNTOLD: dict[str, Callable[[Path], object]] = {
    "a folder that lies too deep": lambda folder: (folder / "/".join("a" * (DEEPEST_FOLDER + 1))).mkdir(
        parents=True
    ),
    "a source that is too large": lambda folder: os.truncate(folder / "a.py", LARGEST_SOURCE + 1),
    "no folder": lambda folder: (folder / "a.py").rename(folder / "b") and folder.rename(f"{folder}.moved"),
}


@pytest.mark.parametrize("what", UNTOLD)
def test_it_says_nothing_where_it_cannot_tell(what: str, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    _written(folder, a=NAME)
    UNTOLD[what](folder)
    assert holding(str(folder), NAME) is None


@pytest.mark.parametrize(
    "name",
    [*EVERY, "take", "inner", "class Pool", "class Batch", "<module>", "gone", "toy.ops.kernels:pages"],
)
def test_sites_are_those_that_a_listing_gives(tree: Tree, name: str) -> None:
    assert sites(tree, name) == find_function(tree, name)
    linked = Tree(tree.root.parent / "linked", tree.package)
    linked.folder.mkdir(parents=True)
    for entry in tree.folder.iterdir():
        os.symlink(entry, linked.folder / entry.name)
    assert sites(linked, name) == find_function(linked, name)

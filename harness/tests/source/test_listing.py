"""What lies in a package's folder, and what makes it no tree."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.source import listing
from harness.source.listing import scan
from harness.source.tree import Tree


def test_files_are_listed_with_their_sizes_in_order(tree: Tree) -> None:
    found = scan(str(tree.folder))
    assert list(found.sizes) == sorted(found.sizes) and found.sizes["plain.py"] == len("NUMBER = 7\n")
    assert set(found.stamps) == set(found.sizes) and not found.broken


def test_a_link_to_a_folder_above_is_passed_over_and_one_beside_is_followed(tree: Tree) -> None:
    (tree.folder / "data" / "up").symlink_to(tree.folder)
    (tree.folder / "twin").symlink_to(tree.folder / "data")
    found = scan(str(tree.folder)).sizes
    assert "twin/table.json" in found and not [path for path in found if "up/" in path]


@pytest.mark.parametrize(
    ("limit", "value"),
    [("MOST_FILES", 3), ("LARGEST_TREE", 100), ("DEEPEST_FOLDER", 1), ("LARGEST_SOURCE", 5)],
)
def test_each_limit_is_held(tree: Tree, monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(listing, limit, value)
    with pytest.raises(BadInput, match=r"(holds more than|lies deeper|has more than 5 bytes).*: "):
        scan(str(tree.folder))


def test_bytecode_in_its_own_folder_is_left_out_and_anything_else_there_is_not(tree: Tree) -> None:
    folder = tree.folder / "__pycache__"
    folder.mkdir()
    for name in ("plain.cpython-311.pyc", "plain.cpython-311.pyc.12345", "plain.nbi"):
        (folder / name).write_bytes(b"")
    assert [path for path in scan(str(tree.folder)).sizes if "__pycache__" in path] == [
        "__pycache__/plain.nbi"
    ]


def test_two_listings_differ_by_the_first_path_that_is_not_the_same_file(tree: Tree) -> None:
    before = scan(str(tree.folder))
    assert before.differs(scan(str(tree.folder))) is None
    (tree.folder / "plain.py").write_text("NUMBER = 8\n")
    assert before.differs(scan(str(tree.folder))) == "plain.py"
    os.mkfifo(tree.folder / "a.py")
    assert before.differs(scan(str(tree.folder))) == "a.py"


def test_a_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be listed"):
        scan(str(tmp_path / "gone"))

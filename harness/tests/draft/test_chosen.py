"""Of a patch that holds several fixes, only the one that is named is undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.draft import render
from harness.draft.patch import parse
from harness.draft.proof import Proof, Proven, prove
from harness.draft.searched import Searched
from harness.errors import BadInput
from harness.tests.draft.samples import PATCH, patch_of, tree_of, undone, write

FIXED = """\
LIMIT = 8


class Table:
    def grow(self, rows):
        return rows + 2

    @property
    def width(self):
        return 2


def grow(rows):
    return rows + 3
"""
BEFORE = (
    FIXED.replace("8", "4").replace("+ 2", "+ 0").replace("@property", "@classmethod").replace("+ 3", "+ 1")
)


def only(folder: Path, *names: str, before: str = BEFORE, fixed: str = FIXED) -> Proven:
    tree = tree_of(folder, {"rows.py": fixed})
    patch = patch_of({"rows.py": before}, {"rows.py": fixed})
    return prove(Searched(tree), parse(patch.encode(), "toy"), names)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("Table.grow", "rows + 2", "rows + 0"),
        ("width", "@property", "@classmethod"),
        ("<module>", "LIMIT = 8", "LIMIT = 4"),
    ],
)
def test_one_function_of_a_patch_is_undone(tmp_path: Path, name: str, old: str, new: str) -> None:
    found = only(tmp_path, name)
    assert undone(found) == {"rows.py": FIXED.replace(old, new)}
    (told,) = found.left
    assert found.proof is Proof.EXACT and not told.todo and told.text.endswith("too: that stays (--only)")


def test_a_name_means_all_that_is_called_so_and_a_class_all_that_is_in_it(tmp_path: Path) -> None:
    both = only(tmp_path / "a", "grow")
    assert undone(both)["rows.py"] == FIXED.replace("+ 2", "+ 0").replace("+ 3", "+ 1")
    assert both.left[0].text == "the patch changes <module>, Table.width too: that stays (--only)"
    inner = only(tmp_path / "b", "Table")
    assert undone(inner)["rows.py"] == FIXED.replace("+ 2", "+ 0").replace("@property", "@classmethod")
    every = only(tmp_path / "c", "Table", "grow", "<module>")
    assert undone(every)["rows.py"] == BEFORE and every.left == ()


def test_a_file_without_the_function_is_left_alone_and_the_draft_says_what_it_undoes(tmp_path: Path) -> None:
    found = prove(Searched(write(tmp_path)), parse(PATCH.encode(), "toy"), ["pages_needed"])
    assert found.modules == ("sglang.pages",) and len(found.edits) == 1
    text = render.render(None, found, None, "bug_rows").replace("\n    #   ", " ")
    assert "proven to undo what it changes in pages_needed in sglang 9.9.8, to the very syntax" in text
    assert "# the patch changes Table.grow, Table.shrink too" in text


def test_a_name_that_the_patch_does_not_change_is_answered_with_those_that_it_does(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"--only shrink: the patch changes <module>, Table\.grow, Table\.width, grow"
    ):
        only(tmp_path, "shrink")


def test_a_change_that_does_not_stand_alone_is_refused(tmp_path: Path) -> None:
    fixed = "x = 0\n\ndef f():\n    return 1\n"
    before = "class A:\n    x = 0\n\n    def f(self):\n        return 2\n"
    with pytest.raises(BadInput, match="name the functions that belong to it, too"):
        only(tmp_path, "f", before=before, fixed=fixed)

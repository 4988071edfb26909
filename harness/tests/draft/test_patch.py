"""Patches: read as git writes them, undone where their hunks are, and refused outside the package."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.draft import patch
from harness.draft.patch import Block, Change
from harness.errors import BadInput
from harness.tests.draft.samples import BEFORE, PAGES, PATCH, TABLE


def read(folder: Path, text: str) -> tuple[Change, ...]:
    file = folder / "fix.patch"
    file.write_bytes(text.encode())
    return patch.read(file, "sglang")


def test_a_patch_is_undone(tmp_path: Path) -> None:
    table, pages = read(tmp_path, PATCH)
    assert (table.path, len(table.blocks), pages.path) == ("table.py", 2, "pages.py")
    assert patch.undone(table, TABLE, "sglang") == BEFORE["table.py"]
    assert patch.undone(pages, PAGES, "sglang") == BEFORE["pages.py"]


def test_hunks_may_have_moved(tmp_path: Path) -> None:
    table, _ = read(tmp_path, PATCH)
    moved = "# one\n# two\n" + TABLE.replace("    def shrink", "    # three\n\n    def shrink")
    expected = "# one\n# two\n" + BEFORE["table.py"].replace(
        "    def shrink", "    # three\n\n    def shrink"
    )
    with pytest.raises(BadInput, match=r"hunk 1 of sglang/table\.py is not in this tree"):
        patch.undone(table, moved.replace("return width", "return width + 1"), "sglang")
    assert patch.undone(table, moved.replace("    # three\n\n", ""), "sglang") == expected.replace(
        "    # three\n\n", ""
    )


_LINES = st.lists(st.sampled_from(["a\n", "b\n", "  c\n", "\x0c\n", "d\r\n"]), max_size=14)


@given(_LINES, _LINES)
def test_whatever_was_changed_comes_back(before: list[str], after: list[str]) -> None:
    opcodes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(2)
    groups = [(group[0], group[-1]) for group in opcodes]
    blocks = tuple(
        Block(first[3] + 1, tuple(before[first[1] : last[2]]), tuple(after[first[3] : last[4]]))
        for first, last in groups
    )
    assert patch.undone(Change("x.py", blocks), "".join(after), "sglang") == "".join(before)


def test_a_file_without_a_last_line_feed(tmp_path: Path) -> None:
    text = (
        "--- a/sglang/x.py\n+++ b/sglang/x.py\n@@ -1 +1 @@\n-old\n\\ No newline at end of file\n"
        "+new\n\\ No newline at end of file\n"
    )
    (change,) = read(tmp_path, text)
    assert patch.undone(change, "new", "sglang") == "old"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "python/sglang/pages.py",
            "test/srt/test_pages.py",
            "test/srt/test_pages.py is no file of the package",
        ),
        ("python/sglang/pages.py", "python/sglang/../../etc.py", "is no file of the package"),
        ("python/sglang/pages.py", "sglang_router/pages.py", "leave out what lies outside sglang/"),
        ("@@ -1,2 +1,2 @@", "@@ -1,9 +1,9 @@", "is no unified diff"),
    ],
)
def test_a_patch_that_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, PATCH.replace(old, new))
    assert told in str(caught.value)


RENAMED = """\
diff --git a/sglang/x.py b/sglang/y.py
rename from sglang/x.py
rename to sglang/y.py
--- a/sglang/x.py
+++ b/sglang/y.py
@@ -1 +1 @@
-a
+b
"""
REMOVED = "--- a/sglang/x.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [("no patch\n", "holds no change of a file"), (RENAMED, "is renamed"), (REMOVED, "is removed")],
)
def test_what_edits_cannot_undo_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        read(tmp_path, text)


def test_a_tree_without_the_fix_is_told(tmp_path: Path) -> None:
    table, _ = read(tmp_path, PATCH)
    with pytest.raises(BadInput, match="is not applied in this tree: give --sglang a tree that has the fix"):
        patch.undone(table, BEFORE["table.py"], "sglang")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        patch.read(tmp_path / "none.patch", "sglang")

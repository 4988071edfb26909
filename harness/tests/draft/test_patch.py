"""Patches: read as git writes them, undone where their hunks are, and refused outside the package."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.draft import patch
from harness.draft.patch import NOWHERE, Block, Change, parse
from harness.draft.undo import NotApplied, without
from harness.errors import BadInput
from harness.tests.draft.samples import BEFORE, PAGES, PATCH, TABLE

HEAD = "--- a/sglang/x.py\n+++ b/sglang/x.py\n@@ -1 +1 @@\n-a\n+b\n"


def test_a_patch_is_read() -> None:
    table, pages = parse(PATCH.encode(), "x").changes
    assert (table.name, len(table.blocks), pages.name) == (
        "python/sglang/table.py",
        2,
        "python/sglang/pages.py",
    )
    assert without(table, TABLE, "sglang/table.py") == BEFORE["table.py"]
    assert without(pages, PAGES, "sglang/pages.py") == BEFORE["pages.py"]


def test_hunks_may_have_moved() -> None:
    table = parse(PATCH.encode(), "x").changes[0]
    assert (
        without(table, f"# one\n# two\n{TABLE}", "sglang/table.py") == f"# one\n# two\n{BEFORE['table.py']}"
    )
    with pytest.raises(NotApplied, match=r"hunk 1 of sglang/table\.py is not in this tree"):
        without(table, TABLE.replace("return width", "return width + 1"), "sglang/table.py")


_LINES = st.lists(st.sampled_from(["a\n", "b\n", "  c\n", "\x0c\n", "d\r\n"]), max_size=14)


@given(_LINES, _LINES)
def test_whatever_was_changed_comes_back(before: list[str], after: list[str]) -> None:
    opcodes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(2)
    groups = [(group[0], group[-1]) for group in opcodes]
    blocks = tuple(
        Block(first[3] + 1, tuple(before[first[1] : last[2]]), tuple(after[first[3] : last[4]]))
        for first, last in groups
    )
    was = "".join(before).replace("\r\n", "\n")  # the ends of lines are no syntax
    assert without(Change("x.py", "x.py", blocks), "".join(after), "sglang/x.py") == was


def test_a_file_without_a_last_line_feed() -> None:
    text = (
        "--- a/sglang/x.py\n+++ b/sglang/x.py\n@@ -1 +1 @@\n-old\n\\ No newline at end of file\n"
        "+new\n\\ No newline at end of file\n"
    )
    (change,) = parse(text.encode(), "x").changes
    assert without(change, "new", "sglang/x.py") == "old"


def test_carriage_returns_of_the_patch_itself_are_left_out() -> None:
    assert parse(HEAD.replace("\n", "\r\n").encode(), "x").changes == parse(HEAD.encode(), "x").changes


def test_a_message_may_hold_dashes_and_any_encoding() -> None:
    message = (
        b"From " + b"0" * 40 + b" Mon Sep 17 00:00:00 2001\nSubject: r\xe9sum\xe9\n\n--- not a file\n---\n"
    )
    found = parse(message + HEAD.encode() + b"-- \n2.40\n", "x")
    assert [change.name for change in found.changes] == ["sglang/x.py"] and "not a file" in found.message


@pytest.mark.parametrize(
    ("text", "old", "new", "note"),
    [
        ("diff --git a/m b/m\nold mode 100644\nnew mode 100755\n", "m", "m", "its mode was changed"),
        ("diff --git a/m b/n\nsimilarity index 100%\nrename from m\nrename to n\n", "m", "n", ""),
        ("diff --git a/m b/m\nindex 1..2\nBinary files a/m and b/m differ\n", "m", "m", "it is binary"),
        ("diff --git a/m b/m\nnew file mode 100644\nindex 0..2\n", NOWHERE, "m", ""),
        ("diff --git a/m b/m\ndeleted file mode 100644\nindex 2..0\n", "m", NOWHERE, ""),
    ],
)  # fmt: skip
def test_what_git_says_without_hunks_is_kept(text: str, old: str, new: str, note: str) -> None:
    rest = f"diff --git a/sglang/x.py b/sglang/x.py\n{HEAD}"
    first, second = parse((text + rest).encode(), "x").changes
    assert (first.old, first.new, first.note, first.blocks) == (old, new, note, ())
    assert second.name == "sglang/x.py" and second.blocks


def test_what_git_log_writes_comes_the_latest_first() -> None:
    one, other = HEAD.replace("x.py", "a.py"), HEAD.replace("x.py", "b.py")
    log = f"commit {'a' * 40}\n\n    why\n\n{one}commit {'b' * 40}\n\n    why\n\n{other}"
    assert [one.name for one in parse(log.encode(), "x").changes] == ["sglang/b.py", "sglang/a.py"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("no patch\n", "holds no change of a file"), (HEAD.replace("-1 +1", "-1,9 +1,9"), "this hunk is not")],
)  # fmt: skip
def test_what_is_no_patch_is_refused(text: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        parse(text.encode(), "x")


def test_a_tree_without_the_fix_is_told() -> None:
    table = parse(PATCH.encode(), "x").changes[0]
    with pytest.raises(
        NotApplied, match="is not applied in this tree: give --sglang a tree that has the fix"
    ):
        without(table, BEFORE["table.py"], "sglang/table.py")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        patch.read(tmp_path / "none.patch")

"""The patch of one function, and what becomes of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

from harness.draft.searched import Searched
from harness.mine.changes import Changed, Function, changed
from harness.mine.derived import derived, patch_of
from harness.mine.versions import FOLDERS, of_trees
from harness.tests.mine.samples import tree


def changes(tmp_path: Path) -> tuple[dict[str, Changed], Searched]:
    before, after = (tree(tmp_path / name, fixed=name == "fixed") for name in ("buggy", "fixed"))
    found = {one.qualname: one for one in changed(of_trees(before, after, FOLDERS))}
    return found, Searched(after)


def test_the_patch_of_one_function_changes_nothing_else(tmp_path: Path) -> None:
    found, searched = changes(tmp_path)
    text = searched.source("srt/mem_cache/pool.py").decode()
    patch = patch_of(found["Pool.pages"], text, "sglang")
    changing = [line for line in patch.splitlines() if line[:1] in "+-" and line[:3] not in ("---", "+++")]
    assert changing == [
        "-        return tokens // self.page_size",
        "+        return -(-tokens // self.page_size)",
    ]


def test_a_revert_is_derived_and_proven(tmp_path: Path) -> None:
    found, searched = changes(tmp_path)
    told = derived(found["gather_kernel"], searched)
    assert (told.edits, told.exact, told.word) == (1, True, "1 edit, proven")


def test_a_function_with_another_name_is_derived_under_the_one_that_it_has(tmp_path: Path) -> None:
    found, searched = changes(tmp_path)
    one = found["Pool.pages"]
    renamed = replace(one, text=one.text.replace("def pages", "def old"), origin="Pool.old")
    renamed = replace(renamed, before=_called(one, "old"))
    assert derived(renamed, searched).word == "1 edit, proven"


def _called(one: Changed, name: str) -> Function:
    node = copy.copy(one.before)
    node.name = name
    return node


def test_a_part_of_another_function_is_not_derived(tmp_path: Path) -> None:
    found, searched = changes(tmp_path)
    told = derived(replace(found["Pool.pages"], origin="Pool.all", part=True), searched)
    assert told.edits == 0 and told.word.startswith("no revert: it was taken out of Pool.all")


def test_what_the_tree_has_not_got_is_said(tmp_path: Path) -> None:
    found, _ = changes(tmp_path)
    older = Searched(tree(tmp_path / "buggy", fixed=False))
    told = derived(found["gather_kernel"], older)
    assert told.edits == 0 and "no revert" in told.word

"""Reverts that can run: what callers need is kept, and what cannot be kept is told."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from harness.draft.kept import ways
from harness.draft.module import Function, Module
from harness.draft.proof import Proven
from harness.facts import Edit
from harness.tests.draft.samples import proven, undone

FIXED = """\
def rows(count, size):
    # as many as fit
    found = count // size
    return found
"""


def derived(folder: Path, before: str, user: str, fixed: str = FIXED) -> Proven:
    return proven(folder, {"rows.py": before}, {"rows.py": fixed}, user=textwrap.dedent(user))


def without(found: Proven) -> str:
    return undone(found)["rows.py"]


def test_a_parameter_that_the_fix_renamed_keeps_its_new_name(tmp_path: Path) -> None:
    before = FIXED.replace("size", "width").replace("count // ", "count / ")
    found = derived(tmp_path, before, "from sglang.rows import rows\nx = rows(1, size=2)\n")
    assert found.broken == () and not found.exact
    assert without(found).startswith("def rows(count, size):\n    width = size\n")
    assert "count / width" in without(found)


def test_a_parameter_that_the_fix_removed_gets_a_default_where_nobody_passes_it(tmp_path: Path) -> None:
    before = FIXED.replace("count, size", "count, size, limit").replace("count // size", "min(count, limit)")
    found = derived(tmp_path, before, "from sglang.rows import rows\nx = rows(1, 2)\n")
    assert found.broken == () and "def rows(count, size, *, limit=None):" in without(found)
    assert "min(count, limit)" in without(found)


def test_a_function_that_the_fix_renamed_is_kept_and_has_its_old_name_too(tmp_path: Path) -> None:
    before = FIXED.replace("def rows", "def lines").replace("// size", "/ size")
    found = derived(tmp_path, before, "from sglang.rows import rows\n")
    assert found.broken == ()
    assert "def rows(count, size):\n    # as many as fit\n" in without(found)
    assert without(found).rstrip().endswith("lines = rows")
    assert [edit.in_function for edit in found.edits] == ["rows"]  # an arm is known by it


def test_a_positional_argument_that_callers_pass_is_kept(tmp_path: Path) -> None:
    before = FIXED.replace("count, size", "count").replace("// size", "// 2")
    found = derived(tmp_path, before, "from sglang.rows import rows\nx = rows(1, 2)\n")
    assert (
        found.broken == () and "def rows(count, size):" in without(found) and "count // 2" in without(found)
    )


def test_a_method_is_held_to_its_calls_where_nothing_else_has_its_name(tmp_path: Path) -> None:
    def method(text: str) -> str:
        return "class Table:\n" + textwrap.indent(text.replace("count, size", "self, count, size"), "    ")

    fixed = method(FIXED)
    before = fixed.replace("count, size):", "count):").replace("// size", "// 2")
    found = derived(tmp_path, before, "def use(table):\n    return table.rows(1, 2)\n", fixed)
    assert found.broken == () and "def rows(self, count, size):" in without(found)


def test_what_a_method_may_not_be_is_left_alone(tmp_path: Path) -> None:
    fixed = "class Table:\n    def update(self, one, other):\n        return one + other\n"
    before = fixed.replace("one, other", "one").replace("one + other", "one")
    found = derived(tmp_path, before, "def use(known):\n    known.update({}, {})\n", fixed)
    assert found.exact and found.broken == ()  # it may be a dict's


def test_an_import_that_the_kept_head_needs_stays(tmp_path: Path) -> None:
    fixed = "from typing import Optional\n\n\n" + FIXED.replace("size)", "size: Optional[int] = None)")
    before = FIXED.replace("count, size", "count").replace("// size", "// 2")
    found = derived(tmp_path, before, "from sglang.rows import rows\nx = rows(1, size=2)\n", fixed)
    assert found.broken == () and "from typing import Optional" in without(found)


def test_a_function_that_others_import_by_any_spelling_is_not_taken_away(tmp_path: Path) -> None:
    before = FIXED.replace("//", "/")
    fixed = f"{FIXED}\n\ndef more(count):\n    return count + 1\n"
    users = (
        "from sglang.rows import more",
        "from .rows import (  # why\n    more,\n)",
        "from .rows import a, \\\n  more",
    )
    for number, user in enumerate(users):
        found = derived(tmp_path / str(number), before, f"{user}\n", fixed)
        assert "def more" in without(found) and "count / size" in without(found), user
        assert found.broken == () and ["more came with the fix" in one.text for one in found.left] == [True]


def test_what_no_way_keeps_is_told(tmp_path: Path) -> None:
    before = FIXED.replace("count // size", "halves(count)")
    found = derived(tmp_path, before, "")
    assert found.broken == ("undefined name 'halves' in sglang.rows:rows",)


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ("def f(a, b):\n    ...", "def f(a):\n    ...", [None, "def f(a, *, b=None):\n    ..."]),
        ("def f(a):\n    ...", "def f(a, b):\n    ...", [None, "def f(a, *, b=None):\n    ..."]),
        ("x = 1", "x = 2", []),
    ],
)
def test_a_head_is_left_alone_before_it_gets_what_it_never_had(
    old: str, new: str, kept: list[str | None]
) -> None:
    fixed = Module(old if old.startswith("def") else "def f(): ...").syntax.body[0]
    assert isinstance(fixed, Function)
    found = [way and way.by for way in ways(Edit("f", old, new), fixed)]
    assert found == kept

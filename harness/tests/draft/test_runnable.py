"""Reverts that can run: what callers need is kept, and what cannot be kept is told."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from harness.draft.kept import ways
from harness.draft.module import Function, Module
from harness.draft.proof import Proof, Proven
from harness.draft.render import render
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


USED = """\
from sglang.paths import count_rows


def rows(size):
    return count_rows(size) // 2
"""
"""What a fix made of a module that had `count_rows` from a module that is gone."""
PATHS = "def count_rows(size):\n    return size\n"


def moved(folder: Path, before: str, fixed: str = USED, **others: str) -> Proven:
    return proven(folder, {"rows.py": before}, {"rows.py": fixed}, paths=PATHS, **others)


def told(found: Proven) -> list[tuple[str, bool]]:
    return [(one.text.partition(": ")[2], one.todo) for one in found.left]


def test_an_import_from_a_module_that_is_gone_stays_as_the_fix_has_it(tmp_path: Path) -> None:
    before = USED.replace("sglang.paths", "sglang.lost").replace(" // 2", "")
    found = moved(tmp_path, before)
    assert found.broken == () and found.proof is Proof.BUT_IMPORTS and not found.exact
    assert without(found) == USED.replace(" // 2", "")
    assert told(found) == [
        ("`from sglang.paths import count_rows` in the module was not there before the fix", False),
        ("`from sglang.lost import count_rows` in the module does not come back", False),
    ]


def test_an_import_of_what_is_gone_is_left_out_where_nothing_that_is_reverted_needs_it(
    tmp_path: Path,
) -> None:
    before = USED.replace(" // 2", "").replace("\n\n\ndef", "\nfrom sglang.lost import unused\n\n\ndef")
    found = moved(tmp_path, before)
    assert found.broken == () and found.proof is Proof.BUT_IMPORTS
    assert without(found) == USED.replace(" // 2", "")
    assert told(found) == [("`from sglang.lost import unused` in the module does not come back", False)]


def test_what_the_reverted_code_needs_of_a_lost_import_comes_from_where_it_is_now(tmp_path: Path) -> None:
    fixed = "from sglang.paths import count_rows\n\n\ndef rows(size):\n    return size\n"
    before = fixed.replace("import count_rows", "import count_rows, lines as lost").replace(
        "return size", "return lost(size)"
    )
    elsewhere = "def lines(size):\n    return size\n"
    found = moved(tmp_path, before, fixed, other=elsewhere)
    assert found.broken == () and "from sglang.other import lines as lost\n" in without(found)
    assert "from sglang.paths import count_rows\n" in without(found)
    assert found.proof is Proof.PARTLY  # whether it is the same function is for somebody to see
    twice = moved(tmp_path / "twice", before, fixed, other=elsewhere, another=elsewhere)
    assert len(twice.broken) == 1 and "`lines`" in twice.broken[0]  # nobody can say which of the two


@pytest.mark.parametrize(
    "guarded",
    [
        "if TYPE_CHECKING:\n    from sglang.lost import count_rows\n",
        "try:\n    from sglang.lost import count_rows\nexcept ImportError:\n    count_rows = None\n",
        "try:\n    import sglang.lost\nexcept Exception:\n    pass\n",
    ],
)
def test_an_import_that_may_fail_is_no_reason_not_to_run(tmp_path: Path, guarded: str) -> None:
    head = "from typing import TYPE_CHECKING\n"
    fixed = f"{head}\n\ndef rows(size):\n    return size\n"
    found = moved(tmp_path, fixed.replace(head, f"{head}\n{guarded}"), fixed)
    assert found.exact and found.broken == ()


def test_a_patch_of_nothing_but_lost_imports_leaves_the_revert_to_do(tmp_path: Path) -> None:
    found = moved(tmp_path, USED.replace("sglang.paths", "sglang.lost"))
    assert found.edits == () and found.broken == () and found.proof is Proof.PARTLY
    assert [todo for _, todo in told(found)] == [True, True]
    assert "# TODO: no edit that undoes the patch could be derived" in render(7, found)


def test_imports_that_others_need_are_left_alone_together(tmp_path: Path) -> None:
    fixed = "from .fused import fused_rows\nfrom .paths import count_rows\n\nLIMIT = 2\n"
    before = "from .fused import count_rows\n\nLIMIT = 1\n"
    user = "from sglang.rows import count_rows, fused_rows\n"
    found = moved(tmp_path, before, fixed, fused="def fused_rows(): ...\n", user=user)
    assert found.broken == () and without(found) == fixed.replace("LIMIT = 2", "LIMIT = 1")

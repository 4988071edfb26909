"""Edits from two versions of a module: narrow, and wide enough to be found once."""

from __future__ import annotations

import textwrap

import pytest

from harness.draft.module import Module
from harness.draft.writer import Unique, Writer
from harness.facts import Edit

BODY = """
def f(rows, slack=2):
    total = rows + slack
    if total > 4:
        total -= 1
        note(total)
    elif total < 0:
        total = 0
    else:
        total += 1
    for row in range(total):
        try:
            use(row)
        except ValueError as error:
            note(error)
    with lock:
        note(total)
    return total
"""


def module(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def once(edit: Edit) -> Edit | None:
    return edit


def written(after: str, before: str, unique: Unique = once) -> list[Edit]:
    return Writer("toy.m", Module(module(after)), Module(module(before)), unique).edits()


def derived(old: str, new: str) -> list[tuple[str, str]]:
    """The edits that take BODY with `new` in place of `old` back to BODY."""
    fixed = BODY.replace(old, new)
    assert fixed != BODY
    return [(edit.replace, edit.by) for edit in written(fixed, BODY)]


@pytest.mark.parametrize(
    ("old", "new", "edits"),
    [
        ("return total", "return total or 1", [("return total or 1", "return total")]),
        ("slack=2", "slack=3", [("3", "2")]),
        ("if total > 4", "if total >= 4", [("total >= 4", "total > 4")]),
        ("elif total < 0", "elif total < 1", [("total < 1", "total < 0")]),
        ("total -= 1\n", "total -= 2\n", [("total -= 2", "total -= 1")]),
        ("range(total)", "range(total + 1)", [("range(total + 1)", "range(total)")]),
        ("use(row)", "use(row, 1)", [("use(row, 1)", "use(row)")]),
        ("note(error)", "raise", [("raise", "note(error)")]),
        ("with lock", "with locked()", [("locked()", "lock")]),
        ("        note(total)\n    elif", "        note(total)\n        more()\n    elif", [("more()", "")]),
        ("    return", "    check(total)\n    return", [("check(total)", "")]),
        ("    total = rows + slack\n", "", [("if total > 4:", "total = rows + slack\nif total > 4:")]),
        ("        note(total)\n    elif", "    elif", [("total -= 1", "total -= 1\nnote(total)")]),
        ("except ValueError", "except TypeError", [("TypeError", "ValueError")]),
    ],
)
def test_a_change_is_one_edit(old: str, new: str, edits: list[tuple[str, str]]) -> None:
    found = derived(old, new)
    assert len(found) == len(edits)
    for (replace, by), (wanted, instead) in zip(found, edits, strict=True):
        assert replace.splitlines()[0] == wanted.splitlines()[0]
        assert by == instead or (by.startswith(instead) and replace.startswith(wanted))


def test_what_is_there_twice_is_taken_with_its_surroundings() -> None:
    fixed = BODY.replace("use(row)", "use(row, 1)")
    (edit,) = written(fixed, BODY, lambda edit: None if edit.replace == "use(row, 1)" else edit)
    assert edit.replace.startswith("try:") and "use(row)" in edit.by


def test_where_no_piece_is_found_once_the_whole_function_is_replaced() -> None:
    fixed = BODY.replace("return total", "return 1")
    (edit,) = written(fixed, BODY, lambda edit: edit if "ANY" in edit.replace else None)
    assert edit.replace == "def f(ANY):\n    ..." and edit.by.startswith("def f(rows, slack=2):")


def test_what_can_be_found_nowhere_gives_no_edit() -> None:
    assert written(BODY.replace("return total", "return 1"), BODY, lambda edit: None) == []


def test_comments_and_layout_are_no_change() -> None:
    other = BODY.replace("total = rows + slack", "total = (\n        rows + slack  # why\n    )")
    assert written(other, BODY) == []


def test_text_in_quotes_is_not_dedented() -> None:
    fixed = 'def f():\n    if x:\n        text = """a\n  b\n"""\n'
    before = 'def f():\n    if x:\n        text = """a\n  c\n"""\n'
    (edit,) = written(fixed, before)
    assert edit.replace == "text = 'a\\n  b\\n'" and edit.by == "text = 'a\\n  c\\n'"


CALL = """
def launch(grid):
    kernel[grid](first_pointer, second_pointer, number_of_rows, page_size=page_size, BLOCK=128, num_warps=4)
"""


@pytest.mark.parametrize(
    ("old", "new", "replace", "by"),
    [
        ("BLOCK=128", "BLOCK=64", "kernel[grid](..., BLOCK=64)", "kernel[grid](..., BLOCK=128)"),
        (", num_warps=4", "", "kernel[grid](...)", "kernel[grid](..., num_warps=4)"),
        ("num_warps=4", "num_warps=4, MASK=True", "kernel[grid](..., MASK=True)", "kernel[grid](...)"),
        (
            "BLOCK=128, ",
            "",
            "kernel[grid](..., page_size=page_size)",
            "kernel[grid](..., page_size=page_size, BLOCK=128)",
        ),
    ],
)
def test_a_changed_keyword_is_an_edit_of_that_keyword(old: str, new: str, replace: str, by: str) -> None:
    (edit,) = written(CALL.replace(old, new), CALL)
    assert (edit.replace, edit.by) == (replace, by)


@pytest.mark.parametrize(
    ("old", "new", "replace", "by"),
    [
        ("second_pointer", "second_pointer, more", "more, ...)", "kernel[grid](..., ...)"),
        (
            "first_pointer, ",
            "",
            "second_pointer, ...)",
            "kernel[grid](..., first_pointer, second_pointer, ...)",
        ),
        (", number_of_rows", "", "second_pointer, ...)", "second_pointer, number_of_rows, ...)"),
    ],
)
def test_a_positional_argument_that_came_or_went_is_an_edit_of_its_own(
    old: str, new: str, replace: str, by: str
) -> None:
    def unique(edit: Edit) -> Edit | None:  # an argument is found by a neighbour where there is none itself
        return edit if "(..., ...)" not in edit.replace else None

    (edit,) = written(CALL.replace(old, new), CALL, unique)
    assert edit.replace == f"kernel[grid](..., {replace}" and edit.by.endswith(by)


CLASS = """
import os

LIMIT = 64


class Base:
    size: int = 3

    def outer(self):
        def inner(x):
            return x + 1

        return inner

    def other(self):
        return 2
"""


@pytest.mark.parametrize(
    ("old", "new", "scope", "replace", "by"),
    [
        ("x + 1", "x + 2", "Base.outer.inner", "return x + 2", "return x + 1"),
        ("size: int = 3", "size: int = 4", "class Base", "size: int = 4", "size: int = 3"),
        ("LIMIT = 64", "LIMIT = 32", "toy.m:<module>", "LIMIT = 32", "LIMIT = 64"),
        ("import os\n", "import os\nimport re\n", "toy.m:<module>", "import re", ""),
        ("class Base:", "class Base(object):", "class Base", "class Base(object):", "class Base:"),
        ("    def other", "    @j\n    def other", "Base.other", "@j\ndef other(self):", "def other(self):"),
        ("def other(self)", "def other(self, n)", "Base.other", "def other(self, n):", "def other(self):"),
        ("    def other", "    def b(self):\n        pass\n\n    def other", "class Base", "def b(ANY):", ""),
        ("    def other(self):\n        return 2\n", "", "class Base", "def outer(ANY):", "def outer(ANY):"),
    ],
)  # fmt: skip
def test_edits_reach_beyond_the_bodies_of_functions(
    old: str, new: str, scope: str, replace: str, by: str
) -> None:
    (edit,) = written(CLASS.replace(old, new), CLASS)
    assert edit.scope == scope
    assert edit.replace.partition("\n    ...")[0] == replace and edit.by.partition("\n    ...")[0] == by


def test_an_if_that_the_fix_put_around_code_is_taken_off() -> None:
    fixed = BODY.replace(
        "    with lock:\n        note(total)\n",
        "    if total:\n        with lock:\n            note(total)\n",
    )
    (edit,) = written(fixed, BODY)
    assert (edit.replace, edit.by) == ("if total:\n    ...", "...")


def test_the_indices_of_a_slice_are_no_piece_by_themselves() -> None:
    line = "    some_table_of_a_name[request_index, :number_of_tokens] = other_table[request_index, :{}]\n"
    after, before = (f"def f():\n{line.format(end)}" for end in ("last + 1", "last"))
    (edit,) = written(after, before)
    assert edit.replace.endswith("last + 1]") and edit.by.endswith("last]")

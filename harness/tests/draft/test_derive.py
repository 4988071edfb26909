"""Edits from two versions of a module: narrow, and wide enough to be found once."""

from __future__ import annotations

import textwrap

import pytest

from harness.draft.derive import derive
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


def once(edit: Edit) -> bool:
    return True


def derived(old: str, new: str) -> list[tuple[str, str]]:
    """The edits that take BODY with `new` in place of `old` back to BODY."""
    fixed = BODY.replace(old, new)
    assert fixed != BODY
    found = derive(module(fixed), module(BODY), once)
    assert found.left == ()
    return [(edit.replace, edit.by) for edit in found.edits]


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
    found = derive(module(fixed), module(BODY), lambda edit: edit.replace != "use(row, 1)")
    (edit,) = found.edits
    assert edit.replace.startswith("try:") and "use(row)" in edit.by


def test_what_is_there_twice_at_the_top_is_left_and_told() -> None:
    found = derive(module(BODY.replace("return total", "return 1")), module(BODY), lambda edit: False)
    assert found.edits == ()
    (left,) = found.left
    assert left.function == "f" and "`return 1` is there several times" in left.text


def test_comments_and_layout_are_no_change() -> None:
    other = BODY.replace("total = rows + slack", "total = (\n        rows + slack  # why\n    )")
    assert derive(module(other), module(BODY), once).edits == ()


def test_text_in_quotes_is_not_dedented() -> None:
    fixed = 'def f():\n    if x:\n        text = """a\n  b\n"""\n'
    before = 'def f():\n    if x:\n        text = """a\n  c\n"""\n'
    (edit,) = derive(fixed, before, once).edits
    assert edit.replace == "text = 'a\\n  b\\n'" and edit.by == "text = 'a\\n  c\\n'"


NESTED = """
class C:
    def outer(self):
        def inner(x):
            return x + 1
        return inner
"""


def test_a_nested_function_has_edits_of_its_own() -> None:
    found = derive(module(NESTED.replace("x + 1", "x + 2")), module(NESTED), once)
    assert [edit.in_function for edit in found.edits] == ["C.outer.inner"] and found.left == ()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("class C:", "import new\nclass C:", "the fix has `import new` in the module: it stays"),
        ("class C:\n", "class C:\n    size = 3\n", "the fix has `size = 3` in class C: it stays"),
        ("class C:", "def more():\n    pass\nclass C:", "the fix added more: it stays"),
        (
            "def outer(self)",
            "def outer(self, size)",
            "the fix changed the signature or the decorators of C.outer",
        ),
        (
            "    def outer",
            "    @cached\n    def outer",
            "the fix changed the signature or the decorators of C.outer",
        ),
    ],
)
def test_what_no_edit_can_say_is_told(old: str, new: str, told: str) -> None:
    found = derive(module(NESTED.replace(old, new, 1)), module(NESTED), once)
    assert [left.text for left in found.left if told in left.text], found.left
    assert all(left.function is None for left in found.left)
    back = derive(module(NESTED), module(NESTED.replace(old, new, 1)), once)
    assert back.left, "the other way round it is told too"

"""What a revert breaks that is told without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.facts import Edit, Revert
from harness.source.attributes import defines
from harness.source.revert import plan
from harness.source.soundness import breaks
from harness.source.tree import at

CODE = """\
from math import ceil

unsaid  # undefined also before


def pages_needed(tokens, size=16):
    return ceil(tokens / size)


def fits(width, *, limit):
    return width <= limit


class Table:
    def __init__(self, rows):
        self.rows = rows

    def grow(self, rows, slack=0):
        if not fits(rows + slack, limit=64):
            raise ValueError(rows)
        self.shrink(rows)
        return pages_needed(rows, slack)

    def shrink(self, rows):
        self.rows -= rows


def make(rows, **options):
    return Table(rows)
"""
CALL, SHRINK, FITS = "pages_needed(rows, slack)", "self.shrink(rows)", "fits(rows + slack, limit=64)"


def told(root: Path, function: str, replace: str, by: str) -> list[str]:
    folder = root / "toy"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "table.py").write_text(CODE)
    revert = Revert(Edit(function, replace, by))
    return [str(one) for one in breaks(plan(at(root, "toy"), revert))]


@pytest.mark.parametrize(
    ("replace", "by", "what"),
    [
        (CALL, "pages_needed(rows, extra)", "undefined name 'extra'"),
        (SHRINK, "fits = print", "local variable 'fits' is used before it is set"),
        (CALL, "pages_needed()", "pages_needed() missing a required argument: 'tokens',"),
        (CALL, "pages_needed(1, 2, 3)", "pages_needed() takes 2 positional arguments but 3 were given,"),
        (CALL, "pages_needed(1, tokens=2)", "pages_needed() got multiple values for argument 'tokens',"),
        (FITS, "fits(rows)", "fits() missing a required argument: 'limit',"),
        (SHRINK, "self.shrink(rows, slack)", "Table.shrink() takes 2 positional arguments but 3 were given,"),
        (SHRINK, "self.shrink(row=rows)", "Table.shrink() got an unexpected keyword argument 'row',"),
        (SHRINK, "Table()", "Table.__init__() missing a required argument: 'rows',"),
    ],
)
def test_what_the_edits_break_is_told_with_its_place(
    replace: str, by: str, what: str, tmp_path: Path
) -> None:
    (found,) = told(tmp_path, "Table.grow", replace, by)
    assert what in found and found.endswith("in toy.table:Table.grow")


@pytest.mark.parametrize(
    ("function", "replace", "by"),
    [
        ("Table.grow", CALL, "pages_needed(*rows)"),
        ("Table.grow", CALL, "pages_needed(**rows)"),
        ("Table.grow", CALL, "pages_needed(size=1, tokens=2)"),
        ("Table.grow", CALL, "ceil(1, 2, 3)"),  # not of the tree
        ("Table.grow", SHRINK, "rows.shrink()"),  # who knows what rows is
        ("Table.grow", SHRINK, "self.widen(1)"),  # a base may have it
        ("Table.grow", SHRINK, "pages_needed = print; pages_needed()"),
        ("make", "Table(rows)", "make(rows, colour=1)"),
        ("pages_needed", "16", "8"),
    ],
)
def test_what_is_sound_or_not_certain_is_not_told(
    function: str, replace: str, by: str, tmp_path: Path
) -> None:
    assert told(tmp_path, function, replace, by) == []


def test_a_tree_defines_what_it_sets_takes_or_spells_out(tmp_path: Path) -> None:
    told(tmp_path, "Table.grow", CALL, "rows")
    tree = at(tmp_path, "toy")
    assert all(defines(tree, name) for name in ("rows", "shrink", "Table", "ceil", "limit"))
    assert not any(defines(tree, name) for name in ("unsaid", "widen", "tokens"))

"""What is left to do in a draft."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.draft import patch
from harness.draft.marks import left, refuse
from harness.draft.proof import prove
from harness.draft.render import render
from harness.draft.searched import Searched
from harness.errors import BadInput
from harness.tests.draft.samples import PATCH, write


def test_every_mark_of_a_draft_is_found(tmp_path: Path) -> None:
    tree = write(tmp_path / "toy")
    (tmp_path / "fix.patch").write_text(PATCH)
    text = render(7, prove(Searched(tree), patch.read(tmp_path / "fix.patch")))
    marked = [number for number, line in enumerate(text.splitlines(), 1) if "TODO" in line]
    first, *others = left(text)
    assert (first.line, first.text) == (1, "TODO: the bug in one line.")
    assert {1, *(mark.line for mark in others)} == set(marked) - {3}  # of one text the first is told


def test_what_an_edit_quotes_is_no_mark() -> None:
    quoted = (
        'REVERT = edit(in_function="f", replace="""\ncount = 1  # TODO: of upstream\n""", by="count = 2")\n'
    )
    assert list(left(quoted)) == []
    assert [mark.line for mark in left(f"{quoted}# TODO: mine\n")] == [4]


def test_the_file_and_the_line_are_named(tmp_path: Path) -> None:
    file = tmp_path / "pr7_grow.py"
    file.write_text('"""Done."""\n\nsymptom = "TODO: what a user saw"\n')
    with pytest.raises(BadInput, match=r"pr7_grow\.py:3: a to-do mark is left \(TODO: what a user saw\)"):
        refuse(file)
    file.write_text('"""Done."""\n')
    refuse(file)

"""The book of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.observation import Fault
from harness.sweep.outcomes import Book, Outcome, Seen
from harness.sweep.space import key

ABOUT = {"reproducer": "pr1", "seed": 0}
STRAY = Fault(kind="oob-write", buffer="table", numel=3, first=3, last=4, count=2)
BITING = Outcome({"lens": (1, 2)}, {"fixed": Seen(), "reverted": Seen((STRAY,), (STRAY,))})
CLEAN = Outcome({"lens": (1,)}, {"fixed": Seen(findings=(STRAY,)), "reverted": Seen()})


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    book = Book(tmp_path / "sweeps" / "one.jsonl", ABOUT)
    book.begin()
    for outcome in (BITING, CLEAN):
        book.add(outcome)
    known = book.outcomes()
    assert known[key(BITING.params)].arms == BITING.arms and known[key(CLEAN.params)].arms == CLEAN.arms
    assert [known[key(outcome.params)].bites for outcome in (BITING, CLEAN)] == [True, False]


def test_a_half_written_line_is_left_out(tmp_path: Path) -> None:
    book = Book(tmp_path / "one.jsonl", ABOUT)
    book.begin()
    book.add(BITING)
    book.add(CLEAN)
    text = book.path.read_text()
    book.path.write_text(text[:-10])
    assert list(book.outcomes()) == [key(BITING.params)]


def test_another_sweeps_book_is_no_ones(tmp_path: Path) -> None:
    book = Book(tmp_path / "one.jsonl", ABOUT)
    assert book.outcomes() == {}
    book.begin()
    book.add(BITING)
    assert Book(book.path, {**ABOUT, "seed": 1}).outcomes() == {}


def test_a_book_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"cannot be written .*REFAULT_CACHE"):
        Book(tmp_path / "file" / "one.jsonl", ABOUT).begin()

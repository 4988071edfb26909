"""The smallest pieces of a change."""

from __future__ import annotations

import ast

import pytest

from harness.mine.places import Piece, pieces
from harness.tests.mine.samples import between, cut

PIECES = {
    "an argument": ("g(a, b)", "g(a, n)", [("b", "n")]),
    "what wraps another": ("x = a", "x = max(a, 0)", [("a", "max(a, 0)")]),
    "a keyword": ("g(a, size=b)", "g(a, size=n)", [("b", "n")]),
    "a new keyword": ("g(a)", "g(a, mask=b)", [("", "mask=b")]),
    "one operand": ("x = a + b * n", "x = a + b * a", [("n", "a")]),
    "the bound of a slice": ("x = a[:b]", "x = a[:n]", [("b", "n")]),
    "a new bound": ("x = a[0:]", "x = a[0:n]", [("", "n")]),
    "a new statement": ("g(a)", "g(a)\nh(b)", [("", "h(b)")]),
    "a statement that is gone": ("g(a)\nh(b)", "g(a)", [("h(b)", "")]),
    "a condition alone": ("if a:\n    g(b)", "if a > 0:\n    g(b)", [("a", "a > 0")]),
    "two in one statement": ("x = g(a, b)", "x = g(n, b + 1)", [("a", "n"), ("b", "b + 1")]),
    "a statement that stands elsewhere": (
        "g(a)\nh(b)\nk(n)",
        "h(b)\nk(n)\ng(a)",
        [("g(a)", "g(a)")],
    ),
    "an annotation that came": ("x = a", "x: int = a", []),
    "a value beside an annotation": ("x = g(a, 1)", "x: int = g(b, 1)", [("a", "b")]),
    "a message": ("g('one')", "g('another')", []),
}


def told(piece: Piece) -> tuple[str, str]:
    before, after = (ast.unparse(one) if one else "" for one in (piece.before, piece.after))
    return before, after


@pytest.mark.parametrize(("before", "after", "wanted"), PIECES.values(), ids=PIECES)
def test_pieces(before: str, after: str, wanted: list[tuple[str, str]]) -> None:
    assert sorted(map(told, cut(before, after))) == sorted(wanted)


def test_what_holds_the_old_code_wraps_it() -> None:
    (one,) = cut("x = a", "x = max(a, 0)")
    assert one.wraps and not one.same
    (other,) = cut("x = a", "x = b")
    assert not other.wraps


def test_a_docstring_is_no_piece() -> None:
    (change,) = between(
        'def f(a):\n    """One."""\n    return a\n', 'def f(a):\n    """Two."""\n    return a\n'
    )
    assert pieces(change.before, change.after) == []

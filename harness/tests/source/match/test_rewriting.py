"""A piece is replaced, and its surroundings stay."""

from __future__ import annotations

import textwrap

import libcst as cst
import pytest

from harness.errors import StaleRevert
from harness.source import match


def rewritten(body: str, *changes: tuple[str, str]) -> str:
    """The body of `f` after each (pattern, by)."""
    module = cst.parse_module("def f():\n" + textwrap.indent(body, "    "))
    function = match.functions(module, "f")[0]
    pieces = []
    for pattern, by in changes:
        (piece,) = match.find(function, match.pattern(pattern))
        pieces.append(match.Change(piece, match.pattern(pattern), by))
    code = match.rewrite(module, pieces).code
    compile(code, "f", "exec")
    return textwrap.dedent(code.partition("\n")[2])


REWRITES = [
    ("a = 1\nb = 2\n", "a = ANY", "a = 3", "a = 3\nb = 2\n"),
    (
        "# above\na = 1  # beside\n# below\nb = 2\n",
        "a = 1",
        "a = 3",
        "# above\na = 3  # beside\n# below\nb = 2\n",
    ),
    (
        "# above\na = 1  # beside\nb = 2\n",
        "a = 1",
        "c = 3\nd = 4",
        "# above\nc = 3\nd = 4  # beside\nb = 2\n",
    ),
    ("a = 1  # beside\n", "a = 1", "if b:\n  c()", "# beside\nif b:\n    c()\n"),
    ("# above\na = 1\nb = 2\n", "a = 1", "", "# above\nb = 2\n"),
    ("b = 2\n# above\na = 1\n# last\n", "a = 1", "", "b = 2\n# above\n# last\n"),
    ("if x:\n    # why\n    g(1)\nh()\n", "g(...)", "", "if x:\n    # why\n    pass\nh()\n"),
    ("g(1)\n", "g(...)", "", "pass\n"),
    ("g(a, b, c, n=1)\n", "g(..., b, ...)", "g(..., ...)", "g(a, c, n=1)\n"),
    ("g(a, c)\n", "g(..., a, ...)", "g(..., a, b + 1, ...)", "g(a, b + 1, c)\n"),
    ("g(a, b, n=1)\n", "g(..., b, ..., n=1)", "g(..., d, ..., n=2)", "g(a, d, n=2)\n"),
    ("if x: g(1)\n", "g(...)", "", "if x: pass\n"),
    ("if x: g(1); h(1)\n", "g(...)", "", "if x: h(1)\n"),
    ("if x: g(1)  # c\n", "g(...)", "i(); j()", "if x: i(); j()  # c\n"),
    ("if x: g(1); h(1)\n", "h(...)", "for i in x: j()", "if x:\n    g(1)\n    for i in x: j()\n"),
    ("a = 1; g(1); b = 2  # c\n", "g(...)", "", "a = 1; b = 2  # c\n"),
    ("a = 1; g(1); b = 2\n", "g(...)", "c\nd", "a = 1; c; d; b = 2\n"),
    ("# t\na = 1; g(1); b = 2  # c\n", "g(...)", "if c: d()", "# t\na = 1\nif c: d()\nb = 2  # c\n"),
    ("if a:\n    b()\nelif c:\n    d()\nelse:\n    e()\n", "if c: ...", "", "if a:\n    b()\n"),
    ("if a:\n    b()\nelif c:\n    d()\n", "if c: ...", "g()", "if a:\n    b()\nelse:\n    g()\n"),
    ("if a:\n    b()\nelif c:\n    d()\n", "if c: ...", "if e: d()", "if a:\n    b()\nelif e: d()\n"),
    ("if a:\n    b()\nelse:\n    c()\nd()\n", "if a: ...", "c()", "c()\nd()\n"),
    ("x = a * b\n", "b", "c + d", "x = a * (c + d)\n"),
    ("x = a.b\n", "a", "-c", "x = (-c).b\n"),
    ("x = a.b\n", "a", "1", "x = (1).b\n"),
    ("x = a\n", "a", "c if d else e", "x = c if d else e\n"),
    ("x = g(a)\n", "a", "b, c", "x = g((b, c))\n"),
    ("x = a[i]\n", "i", "j + 1", "x = a[j + 1]\n"),
    ("x = (a  # why\n  + b)\n", "b", "c", "x = (a  # why\n  + c)\n"),
    ("return(a)\n", "a", "b", "return(b)\n"),
    ("return[a]\n", "[a]", "b", "return(b)\n"),
    ("x = await_(g(1))\n", "g(...)", "h(2)", "x = await_(h(2))\n"),
    ("def g(k=1 + 2): return k\n", "1 + 2", "3", "def g(k=3): return k\n"),
    ("g(1)\n", "g(...)", "while a:\n    b()\nc()", "while a:\n    b()\nc()\n"),
]


@pytest.mark.parametrize(("body", "pattern", "by", "result"), REWRITES)
def test_rewriting_keeps_the_surroundings(body: str, pattern: str, by: str, result: str) -> None:
    assert rewritten(body, (pattern, by)) == result


def test_several_edits_in_one_function_do_not_disturb_each_other() -> None:
    body = "# one\na = 1\n# two\nif b:\n    c = g(1)\n    h()\n"
    changes = [("a = 1", ""), ("if b: ...", "i()")]
    assert rewritten(body, *changes) == rewritten(body, *reversed(changes)) == "# one\n# two\ni()\n"
    assert (
        rewritten(body, ("h()", ""), ("g(1)", "2"), ("a = 1", "x\ny"))
        == "# one\nx\ny\n# two\nif b:\n    c = 2\n"
    )


@pytest.mark.parametrize("inner", ["g(1)", "c = g(1)", "if b: ..."])
def test_overlapping_edits_are_refused(inner: str) -> None:
    with pytest.raises(StaleRevert, match="same piece of code"):
        rewritten("if b:\n    c = g(1)\n", ("if b: ...", "d()"), (inner, "e()"))


@pytest.mark.parametrize(
    ("by", "what"), [("", "nothing"), ("a\nb", "several statements"), ("return", "several")]
)
def test_part_of_a_statement_takes_one_expression_only(by: str, what: str) -> None:
    with pytest.raises(StaleRevert, match=rf"`g\(1\)` is part of a larger statement: {what}"):
        rewritten("x = g(1)\n", ("g(...)", by))


def test_line_ends_and_encoding_stay() -> None:
    source = "# -*- coding: latin-1 -*-\r\ndef f():\r\n    a = 1\r\n    b = 'é'\r\n".encode("latin-1")
    module = cst.parse_module(source)
    wanted = match.pattern("a = 1")
    (piece,) = match.find(match.functions(module, "f")[0], wanted)
    assert match.rewrite(module, [match.Change(piece, wanted, "a = 2\nc = 3")]).bytes == source.replace(
        b"a = 1", b"a = 2\r\n    c = 3"
    )

"""Syntax is matched, not text."""

from __future__ import annotations

import io
import textwrap
import tokenize

import libcst as cst
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import BadInput
from harness.source import match


def hits(body: str, pattern: str) -> int:
    module = cst.parse_module(f"def f(self, n=DEFAULT):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n")
    return len(match.find(match.functions(module, "f")[0], match.pattern(pattern)))


SAME = [
    ("x = a+b", "x = (a  +  b)"),
    ("x = f(a, 'b')", 'x = f(\n  a,  # why\n  "b",\n)'),
    ("x = 1000", "x = 1_000"),
    ("x = 16", "x = 0x10"),
    ("x = 'a' 'b'", 'x = "ab"'),
    ("x = f'{a}b{{'", 'x = f"{a}" "b{"'),
    ("x = (1, 2)", "x = 1, 2,"),
    ("return a", "return(a)"),
    ("if a: b()", "if (a):\n    b()"),
    ("if a:\n    b(); c()", "if a:\n    b()\n\n    # then\n    c()"),
    ("from x import a, b", "from x import (\n  a,\n  b,\n)"),
    ("with a as b, c as d: ...", "with (a as b, c as d):\n    e()"),
    ("for i, j in x: ...", "for (i, j) in x:\n    y()\nelse:\n    z()"),
    ("while a: ...", "while a: b(); c()"),
    ("try: ...\nexcept E: ...", "try:\n  a()\nexcept E:\n  b()\nelse:\n  c()\nfinally:\n  d()"),
    ("a[1:2]", "x = a[1 : 2 :]"),
    ("if ANY > n: ...", "if a + b > n:\n    c()\nelif d:\n    e()\nelse:\n    g()"),
    ("if d: ...", "if a:\n    b()\nelif d:\n    e()\nelse:\n    g()"),
    ("g(...)", "x = y + g(1, *b, c=2, **d)"),
    ("g(...)", "g()"),
    ("g(..., b, c + 1, ...)", "g(a, b, (c + 1), d, n=2)"),
    ("g(..., b, ..., n=2)", "g(b, m=1, n=2)"),
    ("g(..., *b, ...)", "g(a, *b)"),
    ("self.a.g(...)", "self.a.g(h)"),
    ("ANY.g(...)", "self.a.g(h)"),
    ("a[ANY]", "x = a[1:2]"),
    ("a[ANY]", "x = a[1, 2]"),
    ("kernel[ANY](...)", "kernel[(n,)](a, b, C=4)"),
    ("ANY = g(ANY)", "self.a[0] = g(not b)"),
    ("x = ANY", "x = (yield)"),
    ("DEFAULT", "pass"),
    ("a", "def inner(k=1):\n    return a"),
    ("f(x)", "g(lambda: f(x))"),
    ("x", "print(f'{x}')"),
    ("self.ANY = 1", "self.other = 1"),
    ("assert ANY, ANY", "assert a, 'b'"),
    ("not a", "x = not(a)"),
]
DIFFERENT = [
    ("x = a + b", "x = b + a"),
    ("x = 1", "x = 1.0"),
    ("x = 'a'", "x = b'a'"),
    ("x = b''", "x = ''"),
    ("x = f'{a}'", "x = f'{b}'"),
    ("x = f'{a}'", "x = f'{a=}'"),
    ("x = f'{a}'", "x = f'{a!r}'"),
    ("x = f'{a:>3}'", "x = f'{a:>4}'"),
    ("g(a=1, b=2)", "g(b=2, a=1)"),
    ("g(a)", "g(*a)"),
    ("g(ANY)", "g(*a)"),
    ("g(ANY)", "g(a, b)"),
    ("a[1]", "x = a[1,]"),
    ("x = ANY", "x += 1"),
    ("x = ANY", "x: int = 1"),
    ("x = ANY", "x = y = 1"),
    ("if a: ...\nelse:\n    b()", "if a:\n    c()\nelse:\n    d()"),
    ("if a:\n    b()", "if a:\n    b()\nelse:\n    c()"),
    ("a", "x.a = g(a=1)"),
    ("a", "import a"),
    ("int", "x: int = 1"),
    ("'a'", "x = 'a' 'b'"),
    ("g(...)", "g"),
    ("g(..., b, c, ...)", "g(b, a, c)"),
    ("g(..., b, ...)", "g(b, b)"),
    ("g(..., b, ...)", "g(*b)"),
    ("g(..., b, ...)", "g(a, b=b)"),
    ("a - b - c", "x = a - (b - c)"),
    ("for x in y: ...", "async def g():\n    async for x in y: pass"),
]


@pytest.mark.parametrize(("pattern", "body"), SAME)
def test_same_syntax_matches_once(pattern: str, body: str) -> None:
    assert hits(body, pattern) == 1


@pytest.mark.parametrize(("pattern", "body"), DIFFERENT)
def test_other_syntax_does_not_match(pattern: str, body: str) -> None:
    assert hits(body, pattern) == 0


def test_every_occurrence_counts() -> None:
    assert hits("g(1)\nx = g(2)\ndef inner():\n    return [g(3) for _ in g(4)]", "g(...)") == 4


@pytest.mark.parametrize("text", ["a; b", "a = 1\nb = 2", "# nothing", ""])
def test_a_pattern_is_one_piece(text: str) -> None:
    with pytest.raises(BadInput, match="one expression or one statement"):
        match.pattern(text)


FUNCTION = """\
def f(self, n, size=16 // 2):
    width = (n + size - 1) // size
    check_fits(width, self.limit, "what it is", n=n, flags=[1, 2, 3])
    if width + 1 > self.table.shape[0]:
        self.table = zeros((width + 1,), dtype=int32, device=self.device)
    else:
        self.table[:width] = {"a": width, **self.more}
    return [self.row(i)[i, 0] for i in range(width) if i != n]
"""
PATTERNS = [
    "width = (n + size - 1) // size", "width = ANY", "check_fits(...)", "if width + 1 > ANY: ...", "16 // 2",
    "self.table = zeros(ANY, dtype=int32, device=ANY)", "return ANY", "self.row(...)", "width + 1", "n",
]  # fmt: skip


def reformat(source: str, draw: st.DrawFn) -> str:
    """The same tokens with other line breaks and comments in brackets, and other lines between statements."""
    pieces: list[str] = []
    depth, last = 0, (1, 0)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER):
            continue
        space = " " * (token.start[1] - last[1]) if token.start[0] == last[0] else " " * token.start[1]
        closing = token.string in ")]}"
        if depth and draw(st.booleans()):
            space = draw(st.sampled_from(["  ", "\n", "\n\n  ", "  # why (not)\n      ", "\n# a, b\n"]))
        pieces += [space, token.string]
        depth += (token.string in "([{") - closing if token.type == tokenize.OP else 0
        last = token.end
        if token.type == tokenize.NEWLINE:
            pieces.append(draw(st.sampled_from(["", "\n", "   # a comment\n", "\n\n"])))
    return "".join(pieces)


@st.composite
def layouts(draw: st.DrawFn) -> str:
    return reformat(FUNCTION, draw)


@settings(max_examples=25, deadline=None)
@given(layouts())
def test_layout_never_changes_what_matches(source: str) -> None:
    plain, other = (match.functions(cst.parse_module(code), "f")[0] for code in (FUNCTION, source))
    assert matches_at(plain) == matches_at(other) and all(matches_at(plain))
    assert match.matches(plain, other) and match.matches(other, plain)


def matches_at(function: match.Scope) -> list[list[int]]:
    """For each pattern, which of the function's pieces match it, counted in source order."""
    everything = match.find(function, match.pattern("ANY"))
    found = [match.find(function, match.pattern(text)) for text in PATTERNS]
    numbers = {id(piece): number for number, piece in enumerate(everything)}
    return [[numbers.get(id(piece), -1) for piece in pieces] for pieces in found]

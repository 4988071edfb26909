"""Each reason on the least code that has it, and on code that is like it and has not."""

from __future__ import annotations

import pytest

from harness.mine.reasons import MEANING, Reason, reasons
from harness.tests.mine.samples import cut

HAS = {
    Reason.MASK: [("tl.load(a, mask=b)", "tl.load(a, mask=b & n)"), ("x = a", "x = torch.where(b, a, n)")],
    Reason.INT64: [("x = a", "x = a.to(tl.int64)"), ("g(a)", "g(a.long())")],
    Reason.CLAMP: [("x = a", "x = tl.maximum(a, 0)"), ("x = max(a, b)", "x = max(a, n)")],
    Reason.SLICE: [("x = a", "x = a[:n]"), ("x = a[b:]", "x = a[n:]")],
    Reason.SIZE: [("x = torch.empty(a)", "x = torch.empty(b)")],
    Reason.PADDING: [("x = a // b", "x = -(-a // b)"), ("x = a", "x = ceil_div(a, b)")],
    Reason.PAGE: [("x = a", "x = a // page_size"), ("x = a * self.page_size", "x = b * self.page_size")],
    Reason.INDEX: [("x = a", "x = a[b]"), ("g(a)", "g(translate_loc(a))")],
    Reason.STRIDE: [("x = a * stride_b", "x = n * stride_b + stride_a"), ("g(a)", "g(a.contiguous())")],
    Reason.GUARD: [("g(a)", "if b >= 0:\n    g(a)"), ("x = a", "x = a if b != -1 else n")],
    Reason.BOUND: [
        ("if a < b:\n    g()", "if a <= b:\n    g()"),
        ("for x in range(a): g()", "for x in range(b): g()"),
    ],
    Reason.DTYPE: [("g(a, dtype=torch.int8)", "g(a, dtype=torch.int32)"), ("x = a", "x = a.float()")],
    Reason.SCALE: [
        ("g(a, softcap=0)", "g(a, softcap=layer.logit_cap)"),
        ("g(self.scale)", "g(layer.scaling)"),
    ],
    Reason.EPSILON: [("x = a / b", "x = a / (b + 1e-20)")],
    Reason.MEMORY: [("g(a)", "g(a)\npool.free(b)")],
    Reason.RESET: [("g(a)", "g(a)\na.fill_(0)"), ("g(a)", "a[:n] = 0\ng(a)")],
    Reason.ORDER: [("g(a)", "g(a)\nstream.wait_stream(b)")],
    Reason.COPY: [("x = a", "x = a.clone()")],
    Reason.ARITHMETIC: [("g(a)", "g(a - 1)"), ("g(a * b)", "g(a * b * n)")],
    Reason.SEQUENCE: [("g(a)\nh(b)\nk(n)", "h(b)\nk(n)\ng(a)")],
    Reason.CONDITION: [("if a:\n    g()", "if a and b:\n    g()"), ("g()", "if a:\n    g()")],
    Reason.CALL: [("x = g(a)", "x = h(a)")],
    Reason.ARGUMENT: [("g(a)", "g(b)"), ("g(a)", "g(a, b=n)")],
}
HAS_NOT = {
    Reason.MASK: ("tl.load(a, other=b)", "tl.load(a, other=n)"),
    Reason.INT64: ("x = a", "x = a.to(torch.int32)"),
    Reason.INDEX: ("x = a", "x = a['key']"),
    Reason.ARITHMETIC: ("raise E('a')", "raise E('a' + 'b')"),
    Reason.SIZE: ("x = g(a)", "x = g(b)"),
}


def found(before: str, after: str) -> set[Reason]:
    return {reason for piece in cut(before, after) for reason in reasons(piece)}


@pytest.mark.parametrize(
    ("reason", "before", "after"),
    [(reason, *pair) for reason, pairs in HAS.items() for pair in pairs],
)
def test_a_reason_is_seen(reason: Reason, before: str, after: str) -> None:
    assert reason in found(before, after)


@pytest.mark.parametrize(("reason", "before", "after"), [(one, *pair) for one, pair in HAS_NOT.items()])
def test_a_reason_is_not_seen_in_what_is_like_it(reason: Reason, before: str, after: str) -> None:
    assert reason not in found(before, after)


def test_every_reason_is_tested_and_explained() -> None:
    assert set(HAS) == set(MEANING) == set(Reason)


def test_what_is_around_a_change_and_far_from_it_is_no_reason() -> None:
    assert found("for x in range(n):\n    g(a)", "for x in range(n):\n    g(b)") == {Reason.ARGUMENT}

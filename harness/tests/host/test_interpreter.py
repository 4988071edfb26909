"""Triton's interpreter computes the same, and does its exchange once a launch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import triton.language as tl
from triton.runtime import interpreter as triton_interpreter
from triton.runtime.interpreter import InterpretedFunction

from harness.host import interpreter


def _halved(x):  # type: ignore[no-untyped-def]
    return (x + 1) // 2


def _fill(out, count: tl.constexpr):  # type: ignore[no-untyped-def]
    for place in range(count):
        tl.store(out + place, halved(tl.load(out + place)))


halved: Any = InterpretedFunction(_halved)
fill: Any = InterpretedFunction(_fill)


class Counted:
    """Triton's own exchange, and how often it was made."""

    def __init__(self) -> None:
        self.calls = 0
        self._original = triton_interpreter._patch_lang

    def __call__(self, fn: Any) -> Any:
        self.calls += 1
        return self._original(fn)


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Puts Triton's exchange back after the test; core's may be left exchanged, as Triton leaves it."""
    counted = Counted()
    monkeypatch.setattr(triton_interpreter, "_patch_lang", counted)
    return counted


def run() -> list[int]:
    out = torch.arange(6, dtype=torch.int32)
    fill[(1,)](out, 6)
    return out.tolist()


def test_a_launch_exchanges_the_language_once_and_computes_the_same(exchange: Counted) -> None:
    plain = run()
    often = exchange.calls
    assert plain == [0, 1, 1, 2, 2, 3] and often == 7  # the launch, and each call of the device function
    exchange.calls = 0
    assert interpreter.exchange_once() == interpreter.PATCH
    assert run() == plain
    assert exchange.calls == 1
    assert run() == plain


def test_the_language_is_itself_again_after_a_launch(exchange: Counted) -> None:
    interpreter.exchange_once()
    run()
    assert tl.core.is_builtin(tl.load) and tl.core.is_builtin(tl.tensor.__add__)

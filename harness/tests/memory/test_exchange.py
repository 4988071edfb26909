"""The exchange of the language made again: the same functions in the same places, and all back afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import triton.language as tl
from triton.runtime import interpreter

from harness.memory import exchange
from harness.memory.exchange import Quick
from harness.tests.memory import battery_kernels as kernels


def body() -> None:
    """Stands for a kernel: its module can name the language."""


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(exchange, "_known", {})
    interpreter._patch_lang(body).restore()  # what Triton's own leaves behind is there from now on
    yield


def state() -> dict[tuple[int, str], Any]:
    return {
        (at, name): value for at, values in exchange._snapshot().items() for name, value in values.items()
    }


def test_it_sets_the_same_and_puts_all_back() -> None:
    before, patch = state(), Quick(interpreter._patch_lang)
    first, again = (_in_force(patch), _in_force(patch))
    assert {place for place in first if first[place] is not before.get(place)} and state() == before
    assert again == first and all(again[place] is first[place] for place in first)


def _in_force(patch: Quick) -> dict[tuple[int, str], Any]:
    scope = patch(body)
    try:
        return state()
    finally:
        scope.restore()


def test_it_is_made_again_by_what_it_came_to() -> None:
    asked: list[Any] = []

    def original(fn: Any) -> Any:
        asked.append(fn)
        return interpreter._patch_lang(fn)

    patch = Quick(original)
    for _ in range(4):
        patch(body).restore()
    assert asked == [body]


def test_where_something_else_stands_by_now_it_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    patch = Quick(interpreter._patch_lang)
    patch(body).restore()
    foreign = lambda *given: given  # noqa: E731 - a function that no one can take for Triton's
    monkeypatch.setattr(tl, "load", foreign)
    scope = patch(body)
    assert tl.load is foreign  # no builtin, so that the interpreter leaves it as it is
    scope.restore()
    assert tl.load is foreign


def test_within_one_that_is_in_force_nothing_is_kept() -> None:
    patch = Quick(interpreter._patch_lang)
    outer = patch(body)
    during = state()
    inner = patch(kernels.fill.fn)
    inner.restore()
    assert not exchange._known
    assert {place for place, value in state().items() if during.get(place) is not value} == set()
    outer.restore()


def test_one_around_another_is_one() -> None:
    patch = Quick(Quick(interpreter._patch_lang))
    for _ in range(3):
        patch(body).restore()
    assert patch.original is interpreter._patch_lang

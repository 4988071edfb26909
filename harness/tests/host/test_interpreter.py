"""Triton's interpreter computes the same, exchanges once a launch, and works out a type once."""

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
    assert interpreter.exchange_once() == interpreter.EXCHANGED_ONCE
    assert run() == plain
    assert exchange.calls == 1
    assert run() == plain


def test_the_language_is_itself_again_after_a_launch(exchange: Counted) -> None:
    interpreter.exchange_once()
    run()
    assert tl.core.is_builtin(tl.load) and tl.core.is_builtin(tl.tensor.__add__)


def test_what_an_exchange_comes_to_is_remembered(exchange: Counted) -> None:
    interpreter.exchange_once()
    assert run() == run() == run() == [0, 1, 1, 2, 2, 3]
    assert exchange.calls == 1
    assert tl.core.is_builtin(tl.load) and tl.core.is_builtin(tl.tensor.__add__)


def test_an_exchange_is_made_anew_where_the_language_was_altered(
    exchange: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter.exchange_once()
    plain, original = run(), tl.load

    @tl.core.builtin  # type: ignore[untyped-decorator]
    def one_more(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs) + 1

    with monkeypatch.context() as altered:
        altered.setattr(tl, "load", one_more)
        assert run() == [1, 1, 2, 2, 3, 3] and exchange.calls == 2
    assert tl.load is original
    assert run() == plain and exchange.calls == 3


def test_an_exchange_is_made_anew_where_the_language_has_more(
    exchange: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter.exchange_once()
    run()

    @tl.core.builtin  # type: ignore[untyped-decorator]
    def more(*args: Any, **kwargs: Any) -> Any:
        return None

    monkeypatch.setattr(tl, "more_of_it", more, raising=False)
    run()
    assert exchange.calls == 2 and tl.more_of_it is more


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Types are remembered for one test."""
    for owner, name in (
        (tl.core.tensor, "__init__"),
        (tl.core.block_type, "__init__"),
        (triton_interpreter, "_get_np_dtype"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    interpreter.remember_shapes()
    interpreter.remember_elements()


ELEMENTS = [
    *(tl.int1, tl.int8, tl.uint8, tl.int16, tl.uint16, tl.int32, tl.uint32, tl.int64, tl.uint64),
    *(tl.float16, tl.bfloat16, tl.float32, tl.float64, tl.float8e5, tl.float8e4nv),
    *(tl.pointer_type(tl.float16), tl.pointer_type(tl.pointer_type(tl.int32)), tl.pointer_type(tl.int8, 3)),
]


def facts(element: Any, shape: list[Any]) -> list[Any]:
    """All that a block type and a tensor of it say of themselves."""
    kind = tl.core.block_type(element, shape)
    value = tl.core.tensor(None, kind)
    return [
        *(kind.name, list(kind.shape), kind.numel, kind.element_ty is element, kind.scalar is element),
        *([one.value for one in value.shape], type(value.shape), value.numel.value, value.type is kind),
        *(value.dtype is element, value.handle, sorted(vars(kind)), sorted(vars(value))),
    ]


@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_a_type_that_is_remembered_is_as_it_was(element: Any, request: pytest.FixtureRequest) -> None:
    shapes = [[1], [16], [tl.constexpr(16)], [4, 8], [8, 4], [True]]
    original = [facts(element, shape) for shape in shapes]
    numpys = triton_interpreter._get_np_dtype(element)
    request.getfixturevalue("remembered")
    for _ in range(2):
        assert [facts(element, shape) for shape in shapes] == original
        assert triton_interpreter._get_np_dtype(element) == numpys
        assert triton_interpreter._get_np_dtype(tl.core.block_type(element, [4])) == numpys


def test_a_scalar_tensor_has_no_shape(remembered: None) -> None:
    for _ in range(2):
        value = tl.core.tensor(None, tl.float32)
        assert list(value.shape) == [] and value.numel.value == 1 and value.dtype is tl.float32


@pytest.mark.parametrize(
    ("shape", "error"), [([3], ValueError), ([], TypeError), ([4.0], TypeError), ([1 << 21], ValueError)]
)
def test_a_shape_that_triton_refuses_is_refused_each_time(
    shape: list[Any], error: type[Exception], remembered: None
) -> None:
    tl.core.block_type(tl.int32, [4])
    for _ in range(2):
        with pytest.raises(error):
            tl.core.block_type(tl.int32, shape)


def test_a_type_that_numpy_lacks_is_refused_each_time(remembered: None) -> None:
    for _ in range(2):
        with pytest.raises(KeyError):
            triton_interpreter._get_np_dtype(tl.void)

"""What a launch is given, by name: as Python's own `inspect.getcallargs` has it, and in its order."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from harness.memory.launch import _bound


def plain(out: Any, source: Any, n: Any, BLOCK: Any = 8, SIZE: Any = 2) -> None:
    """A kernel's parameters."""


def starred(out: Any, *rest: Any) -> None:
    """What Triton has no word for."""


def named(out: Any, *, size: Any = 1) -> None:
    """Nor for this."""


@pytest.mark.parametrize(
    ("kernel", "args", "kwargs"),
    [
        (plain, (1, 2, 3), {}),
        (plain, (1, 2, 3, 4, 5), {}),
        (plain, (1,), {"SIZE": 7, "n": 5, "source": 6}),
        (plain, (), {"BLOCK": 4, "n": 3, "source": 2, "out": 1}),
        (starred, (1, 2, 3), {}),
        (named, (1,), {}),
    ],
)
def test_arguments_have_the_order_of_the_interpreter(
    kernel: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    told = _bound(kernel, args, kwargs)
    assert list(told.items()) == list(inspect.getcallargs(kernel, *args, **kwargs).items())


def test_options_of_the_compiler_are_no_arguments() -> None:
    assert _bound(plain, (1, 2, 3), {"num_warps": 4}) == {
        "out": 1,
        "source": 2,
        "n": 3,
        "BLOCK": 8,
        "SIZE": 2,
    }


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((1,), {}), ((1, 2, 3, 4, 5, 6), {}), ((1, 2, 3), {"out": 4}), ((1, 2), {"source": 3})],
)
def test_what_does_not_fit_is_refused_in_the_words_of_a_call(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match=r"plain\(\) (missing|takes|got)"):
        _bound(plain, args, kwargs)

"""Handles and arguments made by what is known of their types: as the interpreter makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import triton.language as tl
from triton.runtime import interpreter
from triton.runtime.jit import TensorWrapper

from harness.memory import handles, plans
from harness.memory.handles import Arguments

NUMBERS = sorted(
    {sign * (1 << bits) + off for bits in plans._WIDTHS for sign in (1, -1) for off in (-2, -1, 0, 1)}
)
DTYPES = (
    *(torch.bool, torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.uint64),
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e5m2),
)


def facts(made: Any) -> Any:
    if isinstance(made, tuple):
        return [facts(one) for one in made]
    if not isinstance(made, tl.core.tensor):
        return made
    data = made.handle.data
    types = (
        str(made.type),
        type(made.type),
        str(made.dtype),
        str(made.handle.dtype),
        made.type.scalar.is_ptr(),
    )
    return types, data.tolist(), data.dtype, made.shape, made.numel.value


def outcome(call: Any, value: Any) -> Any:
    try:
        return facts(call(value))
    except Exception as error:  # noqa: BLE001 - whatever it is, both have to raise it
        return type(error), str(error)


@pytest.mark.parametrize("value", [*NUMBERS, True, False, 1.5, None, "text", (3, 1 << 40), tl.constexpr(4)])
def test_values_are_the_interpreters(value: Any) -> None:
    arguments = Arguments(interpreter._implicit_cvt)
    plainly = outcome(interpreter._implicit_cvt, value)
    assert [outcome(arguments.value, value) for _ in range(3)] == [plainly] * 3


def test_numbers_of_one_type_are_told_apart() -> None:
    arguments = Arguments(interpreter._implicit_cvt)
    for value in NUMBERS * 2:
        assert outcome(arguments.value, value) == outcome(interpreter._implicit_cvt, value)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pointers_are_the_interpreters(dtype: torch.dtype) -> None:
    arguments, tensor = Arguments(interpreter._implicit_cvt), torch.zeros(4).to(dtype)
    plainly = outcome(interpreter._implicit_cvt, tensor)
    made = [outcome(lambda one: arguments.pointer(one, one.data_ptr()), tensor) for _ in range(3)]
    assert made == [plainly] * 3


def test_a_tensor_by_another_type_is_never_taken_for_one_of_its_own() -> None:
    arguments, base = Arguments(interpreter._implicit_cvt), torch.zeros(4, dtype=torch.uint8)
    for one in (base, TensorWrapper(base, torch.float8_e4m3fn), base):
        assert facts(arguments.pointer(one, one.data_ptr())) == facts(interpreter._implicit_cvt(one))


def test_a_handle_that_does_not_fit_is_refused_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter.TensorHandle, "__init__", handles.handle)
    for _ in range(2):
        interpreter.TensorHandle(np.zeros(1, np.int16), tl.int16)
        interpreter.TensorHandle(np.zeros(1, np.int64), tl.pointer_type(tl.int8))
        with pytest.raises(ValueError, match="itemsize"):
            interpreter.TensorHandle(np.zeros(1, np.int32), tl.int16)


def test_what_is_noted_of_one_handle_is_not_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter.TensorHandle, "__init__", handles.handle)
    one, other = (interpreter.TensorHandle(np.zeros(1, np.int32), tl.int32) for _ in range(2))
    one.set_attr("tt.divisibility", 8)
    assert one.attr == {"tt.divisibility": 8} and other.attr == {}
    assert interpreter.TensorHandle(np.zeros(1, np.int32), tl.int32, {"x": 1}).attr == {"x": 1}

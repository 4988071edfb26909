"""What an operation would make is remembered by all that it depends on, and without any tensor."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from harness.memory import allocations
from harness.memory.allocations import _shape_of
from harness.memory.fences import Shape

aten = torch.ops.aten
BASE = torch.zeros(4, 6, dtype=torch.int16)

CALLS: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
    (aten.empty.memory_format, ([2, 3],), {}),
    (aten.empty.memory_format, ([3, 2],), {}),
    (aten.empty.memory_format, ([2, 3],), {"dtype": torch.int64}),
    (aten.empty.memory_format, ([2, 3, 4, 5],), {"memory_format": torch.channels_last}),
    (aten.empty.memory_format, ([2, 3, 4, 5],), {"memory_format": torch.contiguous_format}),
    (aten.empty_strided.default, ([2, 3], [1, 2]), {}),
    (aten.empty_strided.default, ([2, 3], [3, 1]), {}),
    (aten.empty_like.default, (BASE,), {}),
    (aten.empty_like.default, (BASE.T.contiguous(),), {}),
    (aten.empty_like.default, (BASE.T,), {}),
    (aten.empty_like.default, (BASE[:, ::2],), {}),
    (aten.empty_like.default, (BASE.float(),), {}),
    (aten.new_empty.default, (BASE, [5]), {}),
    (aten.new_empty.default, (BASE, [5]), {"dtype": torch.float64, "pin_memory": False}),
    (aten.zeros.default, ([2, 3],), {"device": torch.device("cpu")}),
]


def facts(made: Any) -> tuple[Any, ...]:
    return made.shape, tuple(made.stride()), made.dtype, made.numel(), made.element_size()


def test_each_has_the_shape_that_it_would_have() -> None:
    for _ in range(2):
        for func, args, kwargs in CALLS:
            assert facts(_shape_of(func, args, kwargs)) == facts(func(*args, **kwargs))


def test_a_type_that_is_not_named_is_the_default_of_now() -> None:
    func, args, kwargs = CALLS[0]
    for dtype in (torch.float32, torch.float64, torch.float32):
        torch.set_default_dtype(dtype)
        try:
            assert _shape_of(func, args, kwargs).dtype == dtype
        finally:
            torch.set_default_dtype(torch.float32)


def test_no_more_than_so_many_are_kept_and_no_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocations, "SHAPES_KEPT", 3)
    allocations._shapes.clear()
    for size in range(10):
        _shape_of(aten.empty.memory_format, ([size],), {})
        assert 0 < len(allocations._shapes) <= 3
    assert not any(isinstance(one, torch.Tensor) for one in _parts(dict(allocations._shapes)))


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = [*value, *value.values()]
    inner = value if isinstance(value, list | tuple) else [getattr(value, name) for name in _slots(value)]
    return [value, *(part for one in inner for part in _parts(one))]


def _slots(value: Any) -> tuple[str, ...]:
    return tuple(getattr(value, "__slots__", ())) if isinstance(value, Shape) else ()

"""A reduction of all programs is, bit by bit, that of each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import triton.language as tl
from hypothesis import given, settings
from hypothesis import strategies as st
from triton.runtime import interpreter

from harness.memory.grid import groups
from harness.memory.grid.reductions import Reductions
from harness.memory.grid.signals import InOrder
from harness.tests.memory.grid import kernels

PROGRAMS = 3
OWN = kernels.larger
LIBRARY = {
    name: getattr(tl.standard, name)
    for name in (
        "_sum_combine", "_elementwise_max", "_elementwise_min",
        "_argmax_combine_tie_break_left", "_argmin_combine_tie_break_left",
    )
}  # fmt: skip
Shape = list[int]


@contextmanager
def whole() -> Iterator[None]:
    programs = np.arange(PROGRAMS)
    with groups.whole(programs, np.stack([programs] * 3, axis=1)):
        yield


@pytest.fixture(autouse=True, scope="module")
def language() -> Iterator[None]:
    """The language as a launch has it, for the kernel's own function."""
    scope = interpreter._patch_lang(kernels.larger.fn)
    yield
    if scope is not None:  # as from Triton 3.6 on
        scope.restore()


def block(data: Any, shape: Shape, dtype: Any = tl.float32) -> Any:
    return tl.core.tensor(interpreter.TensorHandle(data, dtype), tl.block_type(dtype, shape))


def values(told: Any) -> list[Any]:
    return [one.handle.data for one in (told if isinstance(told, tuple | list) else (told,))]


def laid_out(seed: int, shape: Shape, order: str) -> Any:
    """Blocks of several programs, as they lie in memory after an operation or after a transposition."""
    data = np.random.default_rng(seed).standard_normal((PROGRAMS, *shape), dtype=np.float32)
    if order == "turned":
        data = np.ascontiguousarray(np.moveaxis(data, 1, -1))
        return np.moveaxis(data, -1, 1)
    return data


@settings(deadline=None)
@given(
    seed=st.integers(0, 1000),
    shape=st.lists(st.sampled_from([1, 2, 4, 16, 64]), min_size=1, max_size=3),
    axis=st.none() | st.integers(0, 2),
    keep=st.booleans(),
    order=st.sampled_from(["plain", "turned"]),
    combine=st.sampled_from([*LIBRARY, "own"]),
)
def test_bits_of_each_program(
    seed: int, shape: Shape, axis: int | None, keep: bool, order: str, combine: str
) -> None:
    axis = axis if axis is None else axis % len(shape)
    function, data = LIBRARY.get(combine, OWN), laid_out(seed, shape, order)
    with whole():
        together = values(Reductions(axis, function, keep).apply((block(data, shape),)))
    for program in range(PROGRAMS):
        alone = values(interpreter.ReduceOps(axis, function, keep).apply((block(data[program], shape),)))
        for one, all_ in zip(alone, together, strict=True):
            assert np.array_equal(one.ravel(), all_[program].ravel()) and one.dtype == all_.dtype


def test_shapes() -> None:
    given_ = (block(np.ones((PROGRAMS, 4, 8), np.float32), [4, 8]),)
    with whole():
        kept = Reductions(0, LIBRARY["_sum_combine"], True).apply(given_)[0]
        scalar = Reductions(None, LIBRARY["_sum_combine"], False).apply(given_)[0]
    assert kept.type.shape == [1, 8] and kept.handle.data.shape == (PROGRAMS, 1, 8)
    assert not scalar.type.is_block() and scalar.handle.data.tolist() == [32.0] * PROGRAMS


def test_several_blocks_over_all_axes_are_refused() -> None:
    given_ = (block(np.ones((PROGRAMS, 4), np.float32), [4]),) * 2
    with whole(), pytest.raises(InOrder):
        Reductions(None, OWN, False).apply(given_)

"""Builtins by plans: the same as without, for whatever they are given."""

from __future__ import annotations

import dataclasses
import gc
import operator
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import triton.language as tl
from hypothesis import given, settings
from hypothesis import strategies as st
from triton.language.semantic import IncompatibleTypeErrorImpl
from triton.runtime import interpreter

from harness.memory import plans
from harness.memory.grid import language
from harness.memory.plans import Between, Undecided, patch_attr, span

BUILDER = interpreter.interpreter_builder
TYPES = (
    *(tl.int1, tl.int8, tl.uint8, tl.int16, tl.int32, tl.uint32, tl.int64, tl.uint64),
    *(tl.float16, tl.bfloat16, tl.float32, tl.float64),
)
OPERATORS = (
    *("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__truediv__", "__floordiv__", "__mod__"),
    *("__and__", "__or__", "__xor__", "__lshift__", "__rshift__", "__lt__", "__ge__", "__eq__", "__ne__"),
)
SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (4,), (1, 4), (2, 1), (2, 4))
BOUNDS = sorted(
    {sign * (1 << bits) + off for bits in plans._WIDTHS for sign in (1, -1) for off in (-1, 0, 1)}
)


def tensor(dtype: Any, shape: tuple[int, ...] = (), first: int = 1) -> Any:
    """One whose elements count up from a number."""
    numbers = np.arange(first, first + max(1, int(np.prod(shape)))).reshape(shape or (1,))
    data = numbers.astype(interpreter._get_np_dtype(dtype))
    handle = interpreter.TensorHandle(data, dtype)
    return tl.core.tensor(handle, tl.block_type(dtype, list(shape)) if shape else dtype)


def exchanged(owner: Any, name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A builtin as the interpreter exchanges it, and as it does by plans."""
    member, ways = getattr(owner, name), []
    for patch in (interpreter._patch_attr, patch_attr):
        told = plans._Told()
        patch(owner, name, member, BUILDER, told)
        ways.append(told.value)
    return ways[0], ways[1]


def outcome(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """All that can be told of what a builtin does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return facts(call(*args, **named))
    except Exception as error:  # noqa: BLE001 - whatever it is, both have to raise it
        return type(error), str(error)


def facts(value: Any) -> Any:
    if isinstance(value, tuple):
        return [facts(one) for one in value]
    if not isinstance(value, tl.core.tensor):
        return value
    data = value.handle.data
    handle = (data.tobytes(), data.dtype, data.shape, str(value.handle.dtype))
    shape = [one.value for one in value.shape]
    return handle, str(value.type), type(value.type), str(value.dtype), shape, value.numel.value


def thrice(call: Callable[..., Any], *args: Any, **named: Any) -> list[Any]:
    """Its outcomes while a call is new, when it is planned, and by the plan."""
    return [outcome(call, *args, **named) for _ in range(3)]


tensors = st.builds(tensor, st.sampled_from(TYPES), st.sampled_from(SHAPES), st.integers(0, 3))
scalars = st.one_of(
    st.integers(-3, 3),
    st.sampled_from(BOUNDS),
    st.booleans(),
    st.floats(width=32),
    st.integers(-(1 << 70), 1 << 70),
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(OPERATORS), tensors, st.one_of(tensors, scalars))
def test_an_operator_comes_to_the_same(name: str, one: Any, other: Any) -> None:
    plain, planned = exchanged(tl.core.tensor, name)
    with np.errstate(all="ignore"):
        assert thrice(planned, one, other) == thrice(plain, one, other)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(OPERATORS[:3]), tensors, st.lists(scalars, min_size=2, max_size=4))
def test_numbers_of_one_plan_are_told_apart(name: str, one: Any, numbers: list[Any]) -> None:
    plain, planned = exchanged(tl.core.tensor, name)
    with np.errstate(all="ignore"):
        for number in numbers * 3:
            assert outcome(planned, one, number) == outcome(plain, one, number)


CALLS: tuple[tuple[Any, str, Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]], ...] = (
    (tl, "arange", lambda: ((0, 8), {})),
    (tl, "arange", lambda: ((0, 6), {})),
    (tl, "full", lambda: (((2, 4), 1.5, tl.float32), {})),
    (tl, "full", lambda: (([4], float("nan"), tl.float16), {})),
    (tl, "where", lambda: ((tensor(tl.int1, (4,)), tensor(tl.int32, (4,)), 0), {})),
    (tl, "where", lambda: ((tensor(tl.int1, (4,)), tensor(tl.float32), tensor(tl.float16, (4,))), {})),
    (tl, "maximum", lambda: ((tensor(tl.float32, (4,)), 2.0), {})),
    (tl, "broadcast_to", lambda: ((tensor(tl.int32, (1, 4)), (2, 4)), {})),
    (tl, "expand_dims", lambda: ((tensor(tl.int32, (4,)), 0), {})),
    (tl, "trans", lambda: ((tensor(tl.int32, (2, 4)),), {})),
    (tl, "reshape", lambda: ((tensor(tl.int32, (2, 4)), (8,)), {})),
    (tl, "split", lambda: ((tensor(tl.int32, (4, 2)),), {})),
    (tl, "dot", lambda: ((tensor(tl.float16, (2, 4)), tensor(tl.float16, (4, 2))), {})),
    (tl, "cast", lambda: ((tensor(tl.float32, (4,)), tl.bfloat16), {})),
    (tl, "cast", lambda: ((tensor(tl.int64, (4,)), tl.pointer_type(tl.uint8)), {})),
    (tl, "cast", lambda: ((tensor(tl.float32, (4,)), tl.int32), {"bitcast": True})),
    (tl, "multiple_of", lambda: ((tensor(tl.int32), 8), {})),
    (tl.math, "exp", lambda: ((tensor(tl.float32, (4,)),), {})),
    (tl.core.tensor, "to", lambda: ((tensor(tl.float32, (4,)), tl.float32), {})),
    (tl.core.tensor, "__getitem__", lambda: ((tensor(tl.int32, (4,)), (None, slice(None))), {})),
    (tl.core.tensor, "__neg__", lambda: ((tensor(tl.float32, (4,)),), {})),
    (tl, "device_assert", lambda: ((tensor(tl.int1, (4,), 1), "holds"), {})),
    (tl, "device_assert", lambda: ((tensor(tl.int1, (4,), 0), "fails"), {})),
)  # fmt: skip


@pytest.mark.parametrize(("owner", "name", "given"), CALLS)
def test_a_builtin_comes_to_the_same(owner: Any, name: str, given: Any) -> None:
    plain, planned = exchanged(owner, name)
    (args, named), (others, _) = given(), given()
    assert thrice(planned, *args, **named) == thrice(plain, *others, **named)


def test_what_is_given_is_what_is_returned() -> None:
    _, to = exchanged(tl.core.tensor, "to")
    same = tensor(tl.float32, (4,))
    assert all(to(same, tl.float32) is same for _ in range(3))


def test_one_tensor_given_twice_is_not_two() -> None:
    plain, add = exchanged(tl.core.tensor, "__add__")
    one, other = tensor(tl.int32, (4,)), tensor(tl.int32, (4,), 5)
    for _ in range(3):
        add(one, one)
    assert facts(add(one, other)) == facts(plain(one, other))


def planned_or_not(member: Callable[..., Any]) -> tuple[Callable[..., Any], list[str]]:
    """A builtin of a test's own by plans, and how often it ran as it is."""
    ran: list[str] = []

    def plain(*args: Any, **named: Any) -> Any:
        ran.append("plainly")
        return member(*args, **named, _semantic=interpreter.interpreter_semantic)

    return plans.remembered("toy", member, plain, BUILDER), ran


def negated(x: Any, _semantic: Any = None) -> Any:
    return _semantic.minus(x)


def first_of_all(x: Any, _semantic: Any = None) -> Any:
    return _semantic.minus(x) if x.handle.data.reshape(-1)[0] else x


def of_scalar_truth(x: Any, _semantic: Any = None) -> Any:
    return _semantic.minus(x) if x else x


def of_several(xs: Any, _semantic: Any = None) -> Any:
    return _semantic.minus(xs[0])


def first_within(xs: Any, _semantic: Any = None) -> Any:
    return _semantic.to_tensor(1 if xs[0].handle.data.reshape(-1)[0] else 2)


def warning(x: Any, _semantic: Any = None) -> Any:
    warnings.warn("as ever", stacklevel=1)
    return _semantic.minus(x)


@contextmanager
def tensors_of_programs() -> Iterator[None]:
    """While the block runs, tensors answer as they do in a launch that is watched."""
    scope = interpreter._LangPatchScope()
    language.patch_lang_tensor(tl.core.tensor, scope)
    try:
        yield
    finally:
        scope.restore()


def test_a_plan_takes_the_place_of_a_builtin_from_its_second_call_on() -> None:
    call, ran = planned_or_not(negated)
    for first in range(5):
        assert (
            facts(call(tensor(tl.int32, (4,), first)))[0][0]
            == (-np.arange(first, first + 4, dtype=np.int32)).tobytes()
        )
    assert len(ran) == 1


@pytest.mark.parametrize("member", [first_of_all, of_scalar_truth, of_several, first_within, warning])
def test_what_no_plan_can_tell_is_asked_each_time(member: Callable[..., Any]) -> None:
    call, ran = planned_or_not(member)
    with warnings.catch_warnings(), tensors_of_programs():
        warnings.simplefilter("ignore")
        for first in (0, 1, 0, 1):
            value = tensor(tl.int32, (), first)
            call((value,) if member in (of_several, first_within) else value)
    assert len(ran) == 4


def test_a_tensor_within_a_list_is_no_constant() -> None:
    """A block pointer's offsets are: what one program was given is not what another is."""
    plain, advance = exchanged(tl, "advance")
    _, make = exchanged(tl, "make_block_ptr")
    for start in range(4):
        made = make(
            tensor(tl.pointer_type(tl.float32)),
            (tensor(tl.int64),),
            (1,),
            (tensor(tl.int32, (), start),),
            (4,),
            (0,),
        )
        ways = [way(made, (tensor(tl.int32, (), start),)).handle.offsets[0].data for way in (plain, advance)]
        assert ways[0] == ways[1] == 2 * start


def test_the_address_space_of_a_pointer_is_part_of_its_type() -> None:
    plain, either = exchanged(tl, "where")
    near, far = (tensor(tl.pointer_type(tl.int32, space)) for space in (1, 3))
    for one, other in ((near, near), (near, far), (far, far)):
        told = thrice(either, tensor(tl.int1), one, other)
        assert told == thrice(plain, tensor(tl.int1), one, other)
        assert (told[0][0] is IncompatibleTypeErrorImpl) == (one is not other)


def test_a_plan_keeps_no_array() -> None:
    _, add = exchanged(tl.core.tensor, "__add__")
    one = tensor(tl.int32, (4,))
    kept = [weakref.ref(one.handle), weakref.ref(one)]
    for _ in range(3):
        kept.append(weakref.ref(add(one, 7).handle))
    del one
    gc.collect()
    assert [reference() for reference in kept] == [None] * 5


def test_no_more_than_so_many_kinds_of_calls_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MOST", 3)
    call, ran = planned_or_not(negated)
    table = next(
        cell.cell_contents for cell in call.__closure__ or () if isinstance(cell.cell_contents, dict)
    )
    for shape in ((2,), (4,), (8,), (16,), (32,)):
        call(tensor(tl.int32, shape))
    assert len(table) <= 3 and len(plans._kinds) <= 3 and len(ran) == 5


def test_other_options_are_another_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, holds = exchanged(tl, "device_assert")
    for debug in (True, False, True):
        monkeypatch.setattr(BUILDER, "options", dataclasses.replace(BUILDER.options, debug=debug))
        wrong = tensor(tl.int1, (), 0)
        assert thrice(holds, wrong, "fails") == thrice(plain, wrong, "fails")


# --- numbers -------------------------------------------------------------------------------


@given(st.one_of(st.integers(-(1 << 64), 1 << 64), st.sampled_from(BOUNDS)))
def test_a_span_holds_its_number_and_ends_where_types_do(number: int) -> None:
    try:
        low, high = span(number)
    except Undecided:
        assert not -(1 << 64) <= number < 1 << 64
        return
    assert low <= number <= high
    assert (low > 0) == (high > 0) == (number > 0) and (low < 0) == (high < 0)
    for width in plans._WIDTHS:
        for bound in (1 << width, -(1 << width)):
            assert (low < bound) == (high < bound)


def comparisons() -> Iterator[Callable[[Any, Any], bool]]:
    yield from (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)


@given(st.integers(-20, 20), st.integers(0, 20), st.one_of(st.integers(-25, 25), st.floats(-25, 25)))
def test_what_is_told_of_a_number_holds_for_all_that_it_may_be(low: int, more: int, other: float) -> None:
    unknown = Between(low, low + more)
    for compare in comparisons():
        for sides in ((0, 1), (1, 0)):
            try:
                told = compare(*((unknown, other)[side] for side in sides))
            except Undecided:
                continue
            for number in range(low, low + more + 1):
                assert compare(*((number, other)[side] for side in sides)) == told


@pytest.mark.parametrize(
    "ask",
    [
        int,
        float,
        abs,
        hash,
        operator.index,
        operator.neg,
        lambda n: n + 1,
        lambda n: 1 << n,
        lambda n: [0][n],
    ],
)
def test_nothing_else_is_told_of_a_number(ask: Callable[[Any], Any]) -> None:
    with pytest.raises((Undecided, TypeError)):
        ask(Between(1, 127))

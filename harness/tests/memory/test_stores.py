"""Of several stores to one element always the same one counts, and what depends on that is found."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import triton.language as tl
from hypothesis import given
from hypothesis import strategies as st

from harness.memory.oracle import Oracle
from harness.memory.stores import Stores, Written
from harness.tests.memory.battery_kernels import interpreted

HERE = Path(__file__).parent
PLACES = torch.tensor([0, 2, 1, 2, 2])
VALUES = torch.tensor([1, 2, 3, 4, 5])


def kernel(out, source, n: tl.constexpr):  # type: ignore[no-untyped-def]
    """Every program stores its number to one element, and to one of its own."""
    program = tl.program_id(0)
    tl.store(out, tl.load(source + program))
    tl.store(out + 1 + program, program)


def lanes(out, source, n: tl.constexpr):  # type: ignore[no-untyped-def]
    """All lanes of one store write one element."""
    at = tl.arange(0, n)
    tl.store(out + at * 0, tl.load(source + at))


def counted(out, source, n: tl.constexpr):  # type: ignore[no-untyped-def]
    """Programs that could order themselves by the counter."""
    tl.atomic_add(out + 1, 1)
    tl.store(out, tl.load(source + tl.program_id(0)))


def twice(out, source, n: tl.constexpr):  # type: ignore[no-untyped-def]
    """One program writes one element again: its stores have an order."""
    for step in range(n):
        tl.store(out, step)


def under(stores: Stores, call: Callable[[], Any]) -> Any:
    with Oracle(stores=stores).watching(HERE, entered=lambda name: None):
        return call()


WRITES: dict[str, Callable[[torch.Tensor], Any]] = {
    "scatter_": lambda target: target.scatter_(0, PLACES, VALUES),
    "index_copy_": lambda target: target.index_copy_(0, PLACES, VALUES),
    "index_put_": lambda target: target.index_put_((PLACES,), VALUES),
    "put_": lambda target: target.put_(PLACES, VALUES),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize(("earlier", "left"), [(0, 5), (1, 4), (2, 2), (3, 2)])
def test_an_operation_that_names_an_element_twice_leaves_the_same_store(
    name: str, earlier: int, left: int
) -> None:
    target, stores = torch.zeros(4, dtype=torch.int64), Stores(earlier)
    under(stores, lambda: WRITES[name](target))
    assert target.tolist() == [1, 3, left, 0]
    assert stores.racing == {name: 3}


@pytest.mark.parametrize("earlier", [0, 1])
def test_rows_that_are_named_twice_are_stored_whole(earlier: int) -> None:
    table, rows = torch.zeros(2, 3), torch.arange(6.0).reshape(2, 3)
    index, stores = torch.tensor([1, -1]), Stores(earlier)

    def store() -> None:
        table[index] = rows

    under(stores, store)
    assert table[1].tolist() == rows[1 - earlier].tolist() and stores.racing == {"index_put_": 2}


@pytest.mark.parametrize(
    "call",
    [
        lambda target: target.scatter_(0, PLACES, 7),
        lambda target: target.index_put_((PLACES,), torch.tensor([7])),
        lambda target: target.index_put_((PLACES,), VALUES, accumulate=True),
        lambda target: target.index_put_((torch.arange(4),), VALUES[:4]),
        lambda target: target.scatter_(0, PLACES, VALUES * 0 + 3),
        lambda target: target.scatter_reduce_(0, PLACES, VALUES, "amax"),
        lambda target: target.index_add_(0, PLACES, VALUES),
        lambda target: target.masked_fill_(target == 0, 7),
    ],
)
def test_stores_that_agree_or_have_an_order_do_not_race(call: Callable[[torch.Tensor], Any]) -> None:
    expected, target, stores = torch.zeros(4, dtype=torch.int64), torch.zeros(4, dtype=torch.int64), Stores()
    under(stores, lambda: call(target))
    assert stores.racing == {} and not stores.others()
    assert target.tolist() == call(expected).tolist()


def test_stray_stores_race_with_sound_ones() -> None:
    """#27360: a row's surplus page goes where the next row has its first."""
    index, pages = torch.tensor([[0, 2], [0, 1]]), torch.tensor([[1, 2], [3, 4]])
    found = []
    for stores in (Stores(), Stores(1)):
        table = torch.zeros(2, 2, dtype=torch.int64)
        under(stores, functools.partial(table.scatter_, 1, index, pages))
        found.append(table.tolist())
        assert stores.racing == {"scatter_": 2}
    assert found == [[[1, 0], [3, 4]], [[1, 0], [2, 4]]]


def test_the_runs_to_make_leave_the_first_and_the_last_but_one() -> None:
    assert [one.earlier for one in Stores(racing={"a": 2, "b": 5}).others()] == [1, 4]
    assert Stores(racing={"a": 2}).others() == [Stores(1, frozenset({"a"}))]


def launched(function: Any, grid: int, stores: Stores) -> list[int]:
    out, source = torch.zeros(8, dtype=torch.int64), torch.arange(10, 18)
    under(stores, lambda: interpreted(function)[(grid,)](out, source, 4))
    return out.tolist()


@pytest.mark.parametrize(("function", "grid"), [(kernel, 3), (lanes, 1)])
def test_programs_and_lanes_that_race_come_the_other_way_round(function: Any, grid: int) -> None:
    default, name = Stores(), function.__name__
    last = launched(function, grid, default)
    assert default.racing == {name: 2} and last[0] == (12 if grid == 3 else 13)
    (other,) = default.others()
    assert launched(function, grid, other) == [10, *last[1:]]


@pytest.mark.parametrize("function", [twice, counted])
def test_what_one_program_orders_or_atomics_may_order_does_not_race(function: Any) -> None:
    stores = Stores()
    launched(function, 1 if function is twice else 3, stores)
    assert stores.racing == {}


def test_only_kernels_that_race_are_turned() -> None:
    assert launched(kernel, 3, Stores(1, frozenset({"another"})))[0] == 12


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_a_race_is_two_programs_that_disagree(stores: list[tuple[int, int, int]]) -> None:
    """Each store is one lane of (address, value, program); what counts is what each program leaves."""
    written = Written()
    for address, value, program in stores:
        written.add(np.array([address], np.uint64), np.array([value], np.uint64), np.array([program]))
    left = {(address, program): value for address, value, program in stores}
    disagree = any(
        one[0] == other[0] and value != left[other] for one, value in left.items() for other in left
    )
    assert written.race is disagree

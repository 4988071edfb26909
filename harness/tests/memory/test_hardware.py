from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from harness.memory.hardware import carry_out
from harness.memory.indexing import READERS
from harness.memory.poison import Poison

aten = torch.ops.aten


def _carried(func: Any, *args: Any, **kwargs: Any) -> Any:
    name = func.__name__
    found = list(READERS[name.removesuffix("_")](args))
    return carry_out(func, name, found, args, kwargs, Poison())


@st.composite
def targets(draw: st.DrawFn) -> torch.Tensor:
    """A tensor of up to three dimensions: contiguous, transposed, or a slice of something wider."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    wide = [size + draw(st.integers(0, 2)) for size in shape]
    numel = int(torch.tensor(wide).prod())
    tensor = torch.arange(1.0, numel + 1).reshape(wide)
    narrow = tensor[tuple(slice(size) for size in shape)]
    return narrow.permute(draw(st.permutations(range(len(shape)))))


def _index(draw: Any, extent: int, shape: list[int], low: int = 0) -> torch.Tensor:
    count = int(torch.tensor(shape, dtype=torch.int64).prod())
    values = draw.draw(st.lists(st.integers(low, extent - 1), min_size=count, max_size=count))
    return torch.tensor(values, dtype=torch.int64).reshape(shape)


def _same(carried: Any, expected: torch.Tensor) -> None:
    assert carried.violation.numel() == 0
    assert torch.equal(carried.result, expected)


@settings(deadline=None)
@given(targets(), st.data())
def test_indices_in_range_give_what_torch_gives(target: torch.Tensor, data: st.DataObject) -> None:
    """Address arithmetic agrees with torch for every operation, layout and dimension."""
    dim = data.draw(st.integers(0, target.dim() - 1))
    extent = target.shape[dim]
    shape = [data.draw(st.integers(1, size)) for size in target.shape]
    index, source = _index(data, extent, shape), torch.rand(target.shape)
    _same(_carried(aten.gather, target, dim, index), target.gather(dim, index))
    _same(_carried(aten.scatter_add, target, dim, index, source), target.scatter_add(dim, index, source))
    _same(_carried(aten.scatter, target, dim, index, 7.0), target.scatter(dim, index, 7.0))
    _same(
        _carried(aten.scatter_reduce, target, dim, index, source, "amax"),
        target.scatter_reduce(dim, index, source, "amax"),
    )


@settings(deadline=None)
@given(targets(), st.data())
def test_slices_in_range_give_what_torch_gives(target: torch.Tensor, data: st.DataObject) -> None:
    dim = data.draw(st.integers(0, target.dim() - 1))
    extent = target.shape[dim]
    index = torch.tensor(data.draw(st.permutations(range(extent)))[: data.draw(st.integers(1, extent))])
    source = torch.rand([*target.shape[:dim], index.numel(), *target.shape[dim + 1 :]])
    _same(_carried(aten.index_select, target, dim, index), target.index_select(dim, index))
    _same(_carried(aten.index_copy, target, dim, index, source), target.index_copy(dim, index, source))
    _same(
        _carried(aten.index_add, target, dim, index, source, alpha=2),
        target.index_add(dim, index, source, alpha=2),
    )
    _same(_carried(aten.index_fill, target, dim, index - extent, 5.0), target.index_fill(dim, index, 5.0))


@settings(deadline=None)
@given(targets(), st.data())
def test_flat_indices_in_range_give_what_torch_gives(target: torch.Tensor, data: st.DataObject) -> None:
    index = _index(data, target.numel(), [3], low=-target.numel())
    _same(_carried(aten.take, target, index), target.take(index))
    expected = target.clone(memory_format=torch.contiguous_format).put_(index, torch.ones(3), accumulate=True)
    _same(_carried(aten.put, target, index, torch.ones(3), True), expected)


@settings(deadline=None)
@given(targets(), st.data())
def test_advanced_indices_in_range_give_what_torch_gives(target: torch.Tensor, data: st.DataObject) -> None:
    """Any mix of taken, masked and indexed dimensions, also with indexed ones apart from each other."""
    kinds = data.draw(st.lists(st.sampled_from(["all", "index", "mask"]), min_size=1, max_size=target.dim()))
    chosen: list[torch.Tensor | None] = []
    for kind, extent in zip(kinds, target.shape, strict=False):
        mask = torch.zeros(extent, dtype=torch.bool)
        mask[data.draw(st.integers(0, extent - 1))] = True
        indexed = _index(data, extent, [2, 1], low=-extent)
        chosen.append({"all": None, "index": indexed, "mask": mask}[kind])
    if all(one is None for one in chosen):
        return
    expected = aten.index(target, chosen)
    _same(_carried(aten.index, target, chosen), expected)
    values = torch.rand(expected.shape)
    _same(
        _carried(aten.index_put, target, chosen, values, True), aten.index_put(target, chosen, values, True)
    )


def test_a_mask_of_two_dimensions_takes_two() -> None:
    target, mask = torch.rand(2, 3, 4), torch.tensor([[True, False, True], [False, True, False]])
    index = torch.tensor([0, 3, 1])
    _same(_carried(aten.index, target, [mask, index]), target[mask, index])


def test_a_stray_index_lands_in_the_next_row() -> None:
    table = torch.zeros(2, 3)
    carried = _carried(aten.scatter_, table, 1, torch.tensor([[4]]), 1.0)
    assert table.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert carried.violation.numel() == 0


def test_it_lands_in_the_neighbour_within_an_allocation() -> None:
    pool = torch.zeros(8)
    _carried(aten.index_put_, pool[:4], [torch.tensor([5])], torch.tensor([1.0]), False)
    assert pool.nonzero().tolist() == [[5]]


def test_what_leaves_the_allocation_is_told_and_dropped() -> None:
    table = torch.zeros(2, 3)
    carried = _carried(aten.index_add_, table, 0, torch.tensor([1, 2]), torch.ones(2, 3))
    assert table.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert carried.violation.tolist() == [6, 7, 8] and (carried.numel, carried.writes) == (6, True)


def test_what_is_read_from_outside_is_poison() -> None:
    carried = _carried(aten.gather, torch.arange(3), 0, torch.tensor([2, 3]))
    assert carried.result.tolist() == [2, 0x5EADDEADDEADDEAD]
    assert (carried.violation.tolist(), carried.writes) == ([3], False)


def test_a_given_result_is_filled() -> None:
    out = torch.zeros(2)
    result = _carried(aten.gather, torch.ones(2), 0, torch.tensor([0, 9]), out=out).result
    assert result is out and out[0] == 1 and out[1].isnan()


def test_renormalising_touches_the_rows_that_exist() -> None:
    weights = torch.full((2, 2), 3.0)
    carried = _carried(aten.embedding_renorm_, weights, torch.tensor([1, 2]), 1.0, 2.0)
    assert weights[0].tolist() == [3, 3] and weights[1].norm().item() == pytest.approx(1, abs=1e-3)
    assert carried.violation.tolist() == [4, 5]


class _Stores(TorchDispatchMode):
    """Keeps the positions that each operation writes to."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.positions: list[list[int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        place = {"scatter_": 2, "index_copy_": 2, "index_put_": 1, "put_": 1}.get(
            func.overloadpacket.__name__
        )
        if place and args[0].is_floating_point():
            index = args[place][0] if isinstance(args[place], list) else args[place]
            self.positions.append(index.tolist())
        return func(*args, **(kwargs or {}))


COLLIDING = torch.tensor([0, 2, 1, 2, 9])
SOURCE = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])


@pytest.mark.parametrize(
    ("func", "args"),
    [
        (aten.scatter_, (0, COLLIDING, SOURCE)),
        (aten.index_copy_, (0, COLLIDING, SOURCE)),
        (aten.index_put_, ([COLLIDING], SOURCE)),
        (aten.put_, (COLLIDING, SOURCE)),
    ],
)
def test_of_stores_to_one_element_the_last_alone_is_carried_out(func: Any, args: tuple[Any, ...]) -> None:
    """A device would choose by chance, and differently in the next run."""
    target = torch.zeros(4)
    with _Stores() as stores:
        _carried(func, target, *args)
    assert target.tolist() == [1.0, 3.0, 4.0, 0.0]
    assert [sorted(positions) for positions in stores.positions] == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("func", "args", "kwargs"),
    [
        (aten.scatter_add_, (0, COLLIDING, SOURCE), {}),
        (aten.scatter_, (0, COLLIDING, SOURCE), {"reduce": "add"}),
        (aten.index_add_, (0, COLLIDING, SOURCE), {}),
        (aten.index_put_, ([COLLIDING], SOURCE, True), {}),
        (aten.put_, (COLLIDING, SOURCE, True), {}),
    ],
)
def test_stores_that_add_up_all_count(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    target = torch.zeros(4)
    _carried(func, target, *args, **kwargs)
    assert target.tolist() == [1.0, 3.0, 6.0, 0.0]

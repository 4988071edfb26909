from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.memory.windows import FAR_BITS, Argument, Windows

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)


def _argument(tensor: torch.Tensor) -> Argument:
    return Argument("argument", tensor, "buffer")


@given(st.lists(INT64, min_size=1, max_size=4), st.lists(INT64, min_size=1, max_size=4))
def test_no_offset_leaves_its_tensor_behind(first: list[int], second: list[int]) -> None:
    """Whatever is added to a pointer, its window says the sum, modulo 2**64, and whose it is."""
    windows, argument = Windows(), _argument(torch.zeros(4))
    other = _argument(torch.zeros(4))
    for each in (argument, other):
        windows.open(each)
    base = np.array([(1 << 48) + (1 << 47) + argument.real % 4096], dtype=np.uint64)
    moved = windows.moved(base, np.array(first, dtype=np.int64))
    again = windows.moved(moved, np.array([second[0]] * len(first), dtype=np.int64))
    for address, distance in zip(again, first, strict=True):
        window = windows.find(int(address))
        assert window is not None and window.argument is argument
        expected = (distance + second[0] + (1 << 63)) % (1 << 64) - (1 << 63)
        assert window.offsets(np.array([address], dtype=np.uint64)).tolist() == [expected]


def test_a_far_pointer_that_comes_back_is_where_it_was() -> None:
    windows, argument = Windows(), _argument(torch.zeros(4))
    base = np.array([windows.open(argument).base], dtype=np.uint64)
    far = np.array([1 << (FAR_BITS + 3)], dtype=np.int64)
    back = windows.moved(windows.moved(base, far), 8 - far)
    window = windows.find(int(back[0]))
    assert window is not None
    assert (back + window.delta).tolist() == [argument.real + 8]


def test_a_pointer_outlives_its_launch_as_nothing() -> None:
    windows, argument = Windows(), _argument(torch.zeros(4))
    address = windows.open(argument).base
    windows.close([argument])
    assert windows.find(address) is None
    assert windows.open(_argument(torch.zeros(4))).base >> 48 != address >> 48


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.lists(st.integers(1, 20), min_size=3, max_size=3),
    st.sampled_from([torch.int8, torch.int32, torch.int64]),
)
def test_inside_is_what_the_elements_are(shape: list[int], stride: list[int], dtype: torch.dtype) -> None:
    """Against a list of the bytes of every element; overlapping layouts count as their whole span."""
    stride = stride[: len(shape)]
    tensor = torch.zeros(2000, dtype=dtype).as_strided(shape, stride)
    argument = _argument(tensor)
    ranges = [range(0, size * step, step) for size, step in zip(shape, stride, strict=True)]
    elements = {sum(place) for place in np.array(np.meshgrid(*ranges)).reshape(len(shape), -1).T.tolist()}
    if len(elements) < tensor.numel():  # some overlap
        return
    offsets = np.arange(-8, argument.nbytes + 8, argument.itemsize)
    inside = argument.inside(offsets, argument.itemsize)
    expected = [offset // argument.itemsize in elements for offset in offsets.tolist()]
    if argument.gaps or len(elements) == argument.span:
        assert inside.tolist() == expected
    else:  # interleaved rows: distinct elements, but no row that could be left
        assert inside.tolist() == [0 <= offset < argument.nbytes for offset in offsets.tolist()]


@pytest.mark.parametrize(("width", "last"), [(1, 15), (4, 12), (8, 8)])
def test_an_access_ends_within_the_tensor(width: int, last: int) -> None:
    argument = _argument(torch.zeros(4))
    offsets = np.array([last, last + 1])
    assert argument.inside(offsets, width).tolist() == [True, False]


def test_what_was_touched_is_told_in_elements() -> None:
    argument = _argument(torch.arange(8, dtype=torch.int32))
    argument.touch(4, 11, writes=True)
    argument.touch(20, 23, writes=True)
    told = argument.facts()
    assert told["written"] == [1, 5] and told["wrote"] == {"values": [1, 2, 3, 4, 5]}
    assert "read" not in told


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.sampled_from([48, 40]))
def test_groups_are_the_lanes_of_each_window_in_order(numbers: list[int], bits: int) -> None:
    windows = Windows(bits, 200)
    opened = [windows.open(_argument(torch.zeros(4))) for _ in range(3)]  # as numbers 1, 2 and 3
    addresses = np.array([(number << bits) + at for at, number in enumerate(numbers)], dtype=np.uint64)
    told = [(window, addresses[places].tolist()) for window, places in windows.grouped(addresses)]
    assert told == [(window, addresses[lanes].tolist()) for window, lanes in windows.split(addresses)]
    assert all(window is None or any(window is one for one in opened) for window, _ in told)

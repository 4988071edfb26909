"""The elements of stores, against a set of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.memory import stored
from harness.memory.stored import Stored

WIDTHS = st.sampled_from([1, 2, 4, 8])
STORES = st.lists(st.tuples(st.lists(st.integers(0, 200), min_size=1, max_size=6), WIDTHS), max_size=6)


@given(WIDTHS, STORES)
def test_each_element_that_a_store_touches_is_there_once(
    itemsize: int, made: list[tuple[list[int], int]]
) -> None:
    found, due = Stored(itemsize), set[int]()
    for offsets, width in made:
        found.add(np.array(offsets, dtype=np.int64), width)
        due |= {byte // itemsize for offset in offsets for byte in range(offset, offset + width)}
    assert found.elements().tolist() == sorted(due)


def test_a_long_launch_keeps_each_element_once() -> None:
    found = Stored(4)
    for _ in range(40):
        found.add(np.arange(0, stored._AT_ONCE // 4, 4, dtype=np.int64), 4)
    assert sum(part.size for part in found._parts) < 3 * stored._AT_ONCE
    assert found.elements().tolist() == list(range(stored._AT_ONCE // 16))

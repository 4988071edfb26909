from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.memory.device import neighbours
from harness.memory.device.neighbours import Slice


def violations(pool: torch.Tensor, slices: list[Slice], places: list[int]) -> list[tuple[str, list[int]]]:
    kept = neighbours.kept(slices)
    pool.view(-1)[places] = 7
    return [(one.buffer, elements.tolist()) for memory in kept for one, elements in memory.violations()]


def test_a_write_into_the_neighbour_in_a_pool_is_the_slices() -> None:
    pool = torch.zeros(64, dtype=torch.int32)
    assert violations(pool, [Slice("keys", pool[16:32])], [16, 31, 32, 35]) == [("keys", [16, 19])]


def test_a_write_between_the_rows_of_a_slice_is_seen() -> None:
    both = torch.zeros(4, 8)
    assert violations(both, [Slice("left", both[:, :4])], [0, 3, 4, 9]) == [("left", [4])]


def test_what_another_argument_covers_is_its_own() -> None:
    pool = torch.zeros(64)
    slices = [Slice("values", pool[16:32]), Slice("keys", pool[:16])]
    assert violations(pool, slices, [0, 15, 16, 31]) == []
    assert violations(pool, slices, [40]) == [("values", [24])]


def test_a_whole_allocation_is_not_kept() -> None:
    pool = torch.zeros(8)
    assert neighbours.kept([Slice("pool", pool), Slice("half", pool[:4])]) == []
    assert neighbours.kept([Slice("none", pool[:0])]) == []


@given(st.integers(0, 15), st.integers(1, 16), st.sets(st.integers(0, 31)))
def test_exactly_the_elements_outside_are_told(start: int, length: int, places: set[int]) -> None:
    pool = torch.zeros(32, dtype=torch.int16)
    end = start + length
    told = violations(pool, [Slice("keys", pool[start:end])], sorted(places))
    outside = sorted(place - start for place in places if not start <= place < end)
    assert told == ([("keys", outside)] if outside else [])

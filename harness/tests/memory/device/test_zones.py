from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.memory.device import zones
from harness.memory.device.zones import RED_ZONE_BYTES, ROW_ZONE_BYTES, Zone
from harness.memory.poison import Poison

SHAPES = st.lists(st.integers(1, 5), min_size=2, max_size=4)
CANARIED = (torch.int32, torch.int64, torch.float16, torch.bfloat16, torch.float32, torch.complex64)


@given(SHAPES, st.sampled_from([1, 2, 4, 8]))
def test_zones_between_rows_touch_no_element_and_no_other_zone(shape: list[int], itemsize: int) -> None:
    layout = zones.by_rows(shape, itemsize)
    elements = {
        sum(place * step for place, step in zip(places, layout.stride, strict=True)) * itemsize + byte
        for places in itertools.product(*map(range, shape))
        for byte in range(itemsize)
    }
    fenced = [zone.offset + byte for zone in layout.zones for byte in range(zone.nbytes)]
    assert len(elements) == math.prod(shape) * itemsize
    assert len(set(fenced)) == len(fenced) and not elements & set(fenced)
    assert max(elements) == layout.nbytes - 1


@given(SHAPES)
def test_every_row_but_the_last_has_a_zone_behind_it(shape: list[int]) -> None:
    between = [zone for zone in zones.by_rows(shape, 4).zones if zone.row is not None]
    assert [zone.row for zone in between] == list(range(math.prod(shape[:-1]) - 1))
    assert all(zone.nbytes >= ROW_ZONE_BYTES for zone in between)


def test_a_stray_byte_is_an_element_of_its_row() -> None:
    layout = zones.by_rows((3, 2), 4)
    zone = next(zone for zone in layout.zones if zone.row == 1)
    assert (layout.column(zone.offset), layout.element(zone.offset)) == (2, 4)
    assert layout.element(-4) == -1


def test_rows_need_two_dimensions_without_gaps() -> None:
    assert zones.has_rows((3, 2), (2, 1))
    assert not zones.has_rows((6,), (1,))
    assert not zones.has_rows((3, 2), (4, 1)) and not zones.has_rows((3, 2), (1, 3))


@given(st.integers(0, 3000))
def test_pieces_make_up_their_zone(nbytes: int) -> None:
    parts = zones.pieces(Zone(7, nbytes, row=2))
    assert sum(part.nbytes for part in parts) == nbytes
    assert all(0 < part.nbytes <= RED_ZONE_BYTES and part.row == 2 for part in parts)
    places = [part.offset for part in parts]
    assert places == list(range(7, 7 + nbytes, RED_ZONE_BYTES))


@pytest.mark.parametrize("dtype", CANARIED)
def test_canaries_of_two_numbers_differ_and_are_the_poison_of_their_type(dtype: torch.dtype) -> None:
    words = [zones.canary(dtype, number) for number in range(2)]
    assert words[0] != words[1]
    for number, word in enumerate(words):
        memory = torch.zeros(48, dtype=torch.uint8)
        Poison().fill(memory.view(dtype), number)
        assert memory.view(torch.int64).tolist() == [word] * 6


def test_canaries_of_booleans_are_not_what_a_true_one_writes() -> None:
    assert 1 not in zones.canary(torch.bool, 0).to_bytes(zones.WORD, "little", signed=True)


@given(st.integers(1, 3000))
def test_a_zone_holds_the_canary_of_each_of_its_pieces(nbytes: int) -> None:
    parts = zones.pieces(Zone(0, nbytes))
    words = [zones.canary(torch.int64, number) for number in range(len(parts))]
    made = zones.filled(words, nbytes)
    assert made.shape == (nbytes,)
    for part, word in zip(parts, words, strict=True):
        piece = made[part.offset : part.offset + part.nbytes]
        assert torch.equal(piece, zones.filled([word], part.nbytes))
        assert piece[0] == word & 255

from __future__ import annotations

import ctypes

import pytest
import torch

from harness.memory.device.fences import DeviceFences
from harness.memory.device.memory import AllocatorSource, GuardedSource
from harness.memory.violations import Violations
from harness.tests.memory.device.pages import Pages

CPU = torch.device("cpu")


@pytest.fixture
def violations() -> Violations:
    return Violations()


@pytest.fixture
def fences(violations: Violations) -> DeviceFences:
    return DeviceFences(violations, AllocatorSource(CPU), rows={"page_table"})


def poke(tensor: torch.Tensor, element: int, source: int | None = None) -> None:
    """What a stray store does: one element written, or copied from another place of the buffer's."""
    size = tensor.element_size()
    place = tensor.data_ptr() + element * size
    if source is None:
        ctypes.memset(place, 0, size)
    else:
        ctypes.memmove(place, source, size)


def signatures(violations: Violations) -> list[str]:
    return [fault.signature for fault in violations.faults()]


@pytest.mark.parametrize("dtype", [torch.bool, torch.float16, torch.int32, torch.complex64])
def test_a_buffer_is_zeros_of_the_shape_and_type_asked_for(fences: DeviceFences, dtype: torch.dtype) -> None:
    made = fences.allocate(torch.empty(3, 4, dtype=dtype, device="meta").t(), "keys")
    assert (made.shape, made.stride(), made.dtype) == ((4, 3), (1, 4), dtype)
    assert not made.any() and fences.holds(made) and fences.name_of(made[1:]) == "keys"


def test_a_clean_buffer_tells_nothing(fences: DeviceFences, violations: Violations) -> None:
    fences.allocate(torch.empty(20), "out").fill_(3)
    fences.check()
    assert signatures(violations) == []


def test_writes_on_both_sides_are_told_once(fences: DeviceFences, violations: Violations) -> None:
    out = fences.allocate(torch.empty(20, dtype=torch.int32), "out")
    for element in (-2, 20, 21):
        poke(out, element)
    fences.check("fill")
    fences.check("other")
    assert signatures(violations) == ["oob-write into out by fill numel=20 first=-2 last=21 count=3"]


def test_a_copy_of_a_neighbours_canary_is_seen(fences: DeviceFences, violations: Violations) -> None:
    source, out = (fences.allocate(torch.empty(4), name) for name in ("source", "out"))
    poke(out, 4, source.data_ptr() + 4 * source.element_size())
    fences.check()
    assert signatures(violations) == ["oob-write into out numel=4 first=4 last=4 count=1"]


def test_a_write_behind_a_row_is_told_with_its_row(fences: DeviceFences, violations: Violations) -> None:
    table = fences.allocate(torch.empty(4, 3, dtype=torch.int32), "page_table")
    assert table.stride(1) == 1 and table.stride(0) > 3
    poke(table, 2 * table.stride(0) + 3)
    fences.check()
    assert signatures(violations) == ["index-range page_table numel=3 first=3 last=3 count=1"]
    assert [fault.seen and fault.seen.place for fault in violations.faults()] == ["row 2 of 4"]
    assert fences.notes() == ["page_table: rows [2] were left"]


def test_damage_is_found_when_the_buffer_is_gone(fences: DeviceFences, violations: Violations) -> None:
    scratch = fences.allocate(torch.empty(3, dtype=torch.int32), "scratch")
    poke(scratch, 3)
    del scratch
    fences.retire()
    assert signatures(violations) == ["oob-write into scratch numel=3 first=3 last=3 count=1"]


def test_memory_that_nobody_uses_is_given_back_unless_a_graph_may_come_back(violations: Violations) -> None:
    for keep, held in ((False, 0), (True, 1)):
        pages = Pages()
        fences = DeviceFences(violations, GuardedSource(CPU, pages))
        if keep:
            fences.keep_for_graphs()
        gone = fences.allocate(torch.empty(16), "gone")
        del gone
        fences.retire()
        assert len(pages.held) == held


def test_what_a_size_leaves_over_in_front_of_an_electric_fence_is_a_red_zone(violations: Violations) -> None:
    fences = DeviceFences(violations, GuardedSource(CPU, Pages()))
    odd = fences.allocate(torch.empty(5, dtype=torch.int32), "odd")
    poke(odd, 5)
    fences.check()
    assert signatures(violations) == ["oob-write into odd numel=5 first=5 last=5 count=1"]


def test_other_memory_is_not_fenced(fences: DeviceFences) -> None:
    assert fences.outside(torch.device("meta")) == "not in the memory of cpu"
    assert fences.outside(CPU) is None
    tensor = fences.allocate(torch.empty(4), "keys")
    fences.release(tensor)
    assert not fences.holds(tensor)

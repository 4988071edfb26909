from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.memory.violations import Violations, Where
from harness.observation import Fault

WRITE = Fault(kind="oob-write", buffer="table", kernel="fill", numel=8)
INDEX = Fault(kind="index-range", buffer="table", kernel="scatter_", numel=4)


def test_accesses_count_distinct_elements() -> None:
    violations = Violations()
    violations.access(WRITE, np.array([9, 8, 9]))
    violations.access(WRITE, np.array([8, -1]))
    (fault,) = violations.faults()
    assert (fault.first, fault.last, fault.count) == (-1, 9, 3)


@given(st.lists(st.lists(st.integers(-50, 50), min_size=1), min_size=1))
def test_however_they_come_in_the_numbers_are_the_same(parts: list[list[int]]) -> None:
    violations = Violations()
    for part in parts:
        violations.access(WRITE, np.array(part))
    (fault,) = violations.faults()
    every = {element for part in parts for element in part}
    assert (fault.first, fault.last, fault.count) == (min(every), max(every), len(every))


def test_indices_count_every_entry() -> None:
    violations = Violations()
    violations.index(INDEX, np.array([5, 4, 4]))
    violations.index(INDEX, np.array([6, 4]))
    (fault,) = violations.faults()
    assert (fault.first, fault.last, fault.count) == (4, 6, 5)


def test_buffers_of_one_name_but_two_sizes_are_two_faults() -> None:
    violations = Violations()
    violations.access(WRITE, np.array([8]))
    violations.access(Fault(kind="oob-write", buffer="table", kernel="fill", numel=4), np.array([4]))
    assert [fault.numel for fault in violations.faults()] == [8, 4]


def test_the_first_place_is_kept_in_words() -> None:
    violations = Violations()
    violations.access(WRITE, np.array([8]), Where("fill:3, argument out", (0, 1, 0)))
    violations.access(WRITE, np.array([9]), Where("fill:7, argument out", (1, 0, 0)))
    (fault,) = violations.faults()
    assert fault.seen and fault.seen.place == "fill:3, argument out, program (0, 1, 0)"


def test_two_kernels_that_stray_in_one_buffer_have_each_its_own_place() -> None:
    violations = Violations()
    other = replace(WRITE, kernel="other")
    violations.access(WRITE, np.array([8]), Where("fill:3"))
    violations.access(other, np.array([9]), Where("other:7"))
    assert [(fault.kernel, fault.seen and fault.seen.place) for fault in violations.faults()] == [
        (WRITE.kernel, "fill:3"),
        ("other", "other:7"),
    ]


def test_a_fault_with_its_own_numbers_is_kept_once() -> None:
    violations = Violations()
    short = Fault(kind="short-buffer", buffer="table", numel=3, needed=4)
    violations.add(short)
    violations.add(short)
    assert list(violations.faults()) == [short]

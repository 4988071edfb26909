from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.memory.grid import touches
from harness.memory.grid.records import Access
from harness.memory.grid.touches import Touch, meet

START = 0x1000
Accesses = list[tuple[bool, int, list[list[int | None]]]]
"""Of each access whether it writes, its width, and of each program its units (None: no active lane)."""


def touched(addresses: Any, lanes: Any, width: int, programs: Any) -> Touch:
    chosen = addresses[lanes]
    access = Access((), addresses, lanes, width, False, int(chosen.min()), int(chosen.max()) + width)
    return Touch.of(access, programs)


def _accesses() -> st.SearchStrategy[Accesses]:
    unit = st.none() | st.integers(0, 6)
    rows = st.lists(st.lists(unit, min_size=2, max_size=2), min_size=3, max_size=3)
    return st.lists(st.tuples(st.booleans(), st.sampled_from([1, 2, 4]), rows), max_size=5)


def _touch(width: int, rows: list[list[int | None]]) -> Touch | None:
    lanes = np.array([[unit is not None for unit in row] for row in rows])
    units = np.array([[unit or 0 for unit in row] for row in rows], dtype=np.uint64)
    if not lanes.any():
        return None
    return touched(units * np.uint64(width) + np.uint64(START), lanes, width, np.arange(3))


def _expected(accesses: Accesses) -> bool:
    """The same, byte by byte."""
    writers: dict[int, set[int]] = {}
    touchers: dict[int, set[int]] = {}
    for writes, width, rows in accesses:
        for program, row in enumerate(rows):
            for unit in row:
                for byte in [] if unit is None else range(unit * width, (unit + 1) * width):
                    touchers.setdefault(byte, set()).add(program)
                    if writes:
                        writers.setdefault(byte, set()).add(program)
    return any(len(touchers[byte]) > 1 for byte in writers)


def _meet(accesses: Accesses) -> bool:
    made = [(writes, _touch(width, rows)) for writes, width, rows in accesses]
    writes = [touch for writing, touch in made if writing and touch]
    reads = [touch for writing, touch in made if not writing and touch]
    return meet(writes, reads)


@given(_accesses())
def test_who_meets_is_what_a_count_of_bytes_says(accesses: Accesses) -> None:
    assert _meet(accesses) == _expected(accesses)


def _same(writes: bool) -> tuple[list[Touch], list[Touch]]:
    """Two programs do the same at one address, and one of them stores there."""
    both = touched(np.full((1, 1), START, np.uint64), np.ones((1, 1), bool), 4, np.arange(2))
    one = touched(np.full((1, 1), START, np.uint64), np.ones((1, 1), bool), 4, np.arange(1))
    return ([both], []) if writes else ([one], [both])


def test_what_all_programs_do_alike_meets_itself() -> None:
    assert meet(*_same(writes=True))
    assert meet(*_same(writes=False))


def test_misaligned_accesses_are_looked_at_by_bytes() -> None:
    one = touched(np.array([[START]], np.uint64), np.ones((1, 1), bool), 4, np.array([0]))
    other = touched(np.array([[START + 3]], np.uint64), np.ones((1, 1), bool), 4, np.array([1]))
    behind = touched(np.array([[START + 5]], np.uint64), np.ones((1, 1), bool), 4, np.array([1]))
    assert meet([one], [other]) and not meet([one], [behind])


def test_memory_between_buffers_is_not_noted() -> None:
    far = np.array([[START, START + 1024 * touches.LARGEST]], np.uint64)
    lanes = np.ones((1, 2), bool)
    one, other = (touched(far, lanes, 4, np.array([program])) for program in (0, 1))
    beside = touched(far + np.uint64(4), lanes, 4, np.array([1]))
    assert not meet([one], []) and not meet([one], [beside])
    assert meet([one], [other]) and meet([one, other], [])


@given(_accesses())
def test_it_makes_no_difference_how_much_is_noted(accesses: Accesses) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(touches, "LARGEST", 0)
        assert _meet(accesses) == _expected(accesses)

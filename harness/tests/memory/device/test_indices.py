from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.memory.device.indices import WatchedIndices
from harness.memory.violations import Violations

CPU = torch.device("cpu")


@pytest.fixture
def violations() -> Violations:
    return Violations()


@pytest.fixture
def watched(violations: Violations) -> Iterator[WatchedIndices]:
    made = WatchedIndices(violations)
    yield made
    made.close()


def look(index: torch.Tensor, extent: int = 2, dim: int = 1, wraps: bool = False) -> None:
    torch.ops.refault.watch_indices(index, dim, wraps, extent, "page_table", "scatter_", "fill:6")


def signatures(violations: Violations) -> list[str]:
    return [fault.signature for fault in violations.faults()]


def test_indices_in_range_raise_nothing(watched: WatchedIndices, violations: Violations) -> None:
    look(torch.tensor([[0, 1], [1, 0]]))
    assert not watched.raised
    watched.check()
    assert signatures(violations) == []


def test_strays_are_told_with_their_row(watched: WatchedIndices, violations: Violations) -> None:
    look(torch.tensor([[0, 1], [1, 0], [0, 2]], dtype=torch.int32))
    assert watched.raised
    watched.poll()
    assert signatures(violations) == ["index-range page_table by scatter_ numel=2 first=2 last=2 count=1"]
    assert [fault.seen and fault.seen.place for fault in violations.faults()] == ["fill:6, row 2 of 3"]


def test_what_was_told_is_not_told_again(watched: WatchedIndices, violations: Violations) -> None:
    look(torch.tensor([[0, 2]]))
    watched.poll()
    watched.check()
    look(torch.tensor([[3, 0]]))
    watched.poll()
    assert signatures(violations) == ["index-range page_table by scatter_ numel=2 first=2 last=3 count=2"]


def test_negative_indices_stray_unless_they_count_from_the_end(
    watched: WatchedIndices, violations: Violations
) -> None:
    look(torch.tensor([-1, -2]), dim=0, wraps=True)
    assert not watched.raised
    look(torch.tensor([-1, -2]), dim=0)
    watched.check()
    assert signatures(violations) == ["index-range page_table by scatter_ numel=2 first=-2 last=-1 count=2"]


@given(st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=1, max_size=5))
def test_numbers_are_those_of_a_plain_count(rows: list[list[int]]) -> None:
    violations = Violations()
    watched = WatchedIndices(violations)
    try:
        look(torch.tensor(rows), extent=4)
        watched.check()
    finally:
        watched.close()
    wrong = [(number, value) for number, row in enumerate(rows) for value in row if not 0 <= value < 4]
    faults = list(violations.faults())
    assert bool(faults) == bool(wrong)
    if wrong:
        values = sorted(value for _, value in wrong)
        assert (faults[0].first, faults[0].last, faults[0].count) == (values[0], values[-1], len(values))

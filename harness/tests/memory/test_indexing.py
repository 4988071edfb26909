from __future__ import annotations

import pytest
import torch

from harness.memory.allocations import ALLOCATORS
from harness.memory.hardware import _READS, _WRITES
from harness.memory.indexing import READERS, indexing

WHOLE_ROWS = {"embedding_renorm", "_embedding_bag", "_embedding_bag_forward_only"}
CHECKED_ABOVE_ATEN = {"take_along_dim"}


def test_every_operation_that_is_checked_can_be_carried_out() -> None:
    assert set(READERS) == {*_READS, *_WRITES, *WHOLE_ROWS, *CHECKED_ABOVE_ATEN}


@pytest.mark.parametrize("name", sorted(set(READERS) - CHECKED_ABOVE_ATEN | ALLOCATORS))
def test_every_name_is_one_of_torchs(name: str) -> None:
    assert hasattr(torch.ops.aten, name) or hasattr(torch.ops.aten, name + "_")


@pytest.mark.parametrize(("wraps", "strays"), [(True, [-5, 4]), (False, [-5, -1, 4])])
def test_negative_indices_are_in_range_where_they_wrap(wraps: bool, strays: list[int]) -> None:
    one = indexing(torch.zeros(4), 0, torch.tensor([-5, -1, 0, 3, 4]), 4, wraps)
    assert not one.in_range and one.violations().tolist() == strays


def test_no_index_is_in_range() -> None:
    one = indexing(torch.zeros(4), 0, torch.zeros(0, dtype=torch.int64), 4, wraps=False)
    assert one.in_range and one.facts()["span"] == []

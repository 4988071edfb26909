from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch

from harness.memory.live import LiveTensors


@pytest.fixture
def frozen_later() -> Iterator[None]:
    """Whatever a test freezes is thawed behind it, so that no other test depends on it."""
    yield
    gc.unfreeze()


def test_the_tensor_that_begins_at_an_address_is_found() -> None:
    tensor = torch.zeros(8)
    first = tensor[:2]
    found = LiveTensors().at(tensor.data_ptr())
    assert found is tensor and first is not found


def test_an_address_within_is_the_smallest_tensor_around_it() -> None:
    pool = torch.zeros(100)
    part = pool[10:20]
    live = LiveTensors()
    assert live.at(part.data_ptr() + 4) is part
    assert live.at(pool.data_ptr() + 4 * 50) is pool


def test_memory_that_is_gone_belongs_to_nobody() -> None:
    tensor = torch.zeros(1 << 20)
    address = tensor.data_ptr()
    del tensor
    assert LiveTensors().at(address) is None


@pytest.mark.usefixtures("frozen_later")
def test_a_tensor_that_the_collector_froze_is_found() -> None:
    tensor = torch.zeros(8)
    gc.freeze()
    assert not any(value is tensor for value in gc.get_objects()), "freezing hides nothing here"
    assert LiveTensors().at(tensor.data_ptr()) is tensor


@pytest.mark.usefixtures("frozen_later")
def test_a_frozen_tensor_that_is_gone_belongs_to_nobody() -> None:
    tensor = torch.zeros(1 << 20)
    address = tensor.data_ptr()
    gc.freeze()
    del tensor
    assert LiveTensors().at(address) is None

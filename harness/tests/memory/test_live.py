from __future__ import annotations

import torch

from harness.memory.live import LiveTensors


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

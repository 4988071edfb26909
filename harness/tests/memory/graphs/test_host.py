from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.errors import CaptureError
from harness.memory.graphs import on_host
from harness.tests.memory.graphs.capturing import captured


def test_values_that_are_no_device_s_may_be_read() -> None:
    x, lengths = torch.zeros(2), on_host(torch.tensor([3, 4]))
    made, y = captured(lambda: x + int((lengths + 1).max().item()) + torch.tensor([1, 2]).sum().item())
    lengths.fill_(100)
    made.replay()
    assert y.tolist() == [8, 8]


def test_one_number_of_the_host_s_becomes_a_constant() -> None:
    x, scale = torch.ones(2), on_host(torch.tensor(3.0))
    made, y = captured(lambda: x * scale)
    scale.fill_(5)
    made.replay()
    assert y.tolist() == [3, 3]


@pytest.mark.parametrize("read", [lambda x, h: x + h, lambda x, h: x.copy_(h), lambda x, h: x[h]])
def test_an_operation_that_reads_the_host_s_memory_is_refused(read: Callable[..., Any]) -> None:
    x, there = torch.zeros(2), on_host(torch.tensor([0, 1]))
    with pytest.raises(CaptureError, match="of a tensor in the host's memory"):
        captured(lambda: read(x, there))


def test_a_tensor_made_of_values_is_the_host_s() -> None:
    x = torch.zeros(2)
    with pytest.raises(CaptureError, match=r"aten\.add\.Tensor of a tensor in the host's memory"):
        captured(lambda: x + torch.tensor([1.0, 2.0]))

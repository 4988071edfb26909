from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.host import placement
from harness.memory.oracle import Oracle

marked: list[torch.Tensor] = []


def mark(tensor: torch.Tensor) -> torch.Tensor:
    marked.append(tensor)
    return tensor


@pytest.fixture
def told() -> Iterator[list[str]]:
    before = {name: getattr(torch, name) for name in placement._MAKERS}
    marked.clear()
    yield placement.put(mark)
    for name, maker in before.items():
        setattr(torch, name, maker)


def test_what_is_asked_of_cuda_is_on_the_cpu(told: list[str]) -> None:
    with torch.device("cuda"):
        assert torch.zeros(2).device.type == "cpu"
        assert torch.tensor([1]).device.type == "cpu"
    assert torch.empty(2, device="cuda:1").device.type == "cpu"
    assert "torch.zeros: on the CPU, and pins no memory" in told


def test_what_it_passes_on_is_asked_for_by_its_caller(told: list[str]) -> None:
    """Else nothing that upstream makes would have a fence, or poison."""
    asked = "import torch\ndef make():\n    return torch.empty(3, device='cuda', pin_memory=True)\n"
    upstream: dict[str, Any] = {}
    exec(compile(asked, "/upstream/pools.py", "exec"), upstream)
    oracle = Oracle()
    with oracle.watching(Path("/upstream"), entered=lambda kernel: None):
        made = upstream["make"]()
    assert oracle.fences.holds(made) and made.isnan().all()


def test_other_devices_are_left_alone(told: list[str]) -> None:
    with torch.device("meta"):
        assert torch.ones(2).device.type == "meta"
        assert torch.ones(2, device="cpu").device.type == "cpu"


def test_memory_that_was_to_be_pinned_is_marked_and_no_other(told: list[str]) -> None:
    pinned = torch.arange(3, pin_memory=True)
    torch.full((2,), 1.0)
    assert [one.data_ptr() for one in marked] == [pinned.data_ptr()]

from __future__ import annotations

from pathlib import Path

import torch

from harness.memory import dispatch
from harness.memory.device.ledger import Ledger
from harness.memory.device.named import NamedAllocations
from harness.memory.dispatch import TorchChecks
from harness.memory.fences import Fenced
from harness.memory.violations import Violations


def test_what_nobody_wrote_is_noted_like_any_buffer(tmp_path: Path) -> None:
    named: Fenced = NamedAllocations(torch.device("cpu"), Ledger(tmp_path / "ledger"), reach=256)
    with dispatch.checked(TorchChecks((str(Path(__file__).parent),), Violations(), [], named)):
        unwritten = torch.empty(4)
        written = torch.zeros(4)
    assert [named.name_of(tensor) for tensor in (unwritten, written)] == ["unwritten", "written"]
    assert bool(unwritten.isnan().all())


def test_a_buffer_keeps_its_name_beside_one_that_is_near(tmp_path: Path) -> None:
    named = NamedAllocations(torch.device("cpu"), Ledger(tmp_path / "ledger"), reach=1 << 46)
    first = named.allocate(torch.empty(4, device="meta"), "first")
    second = named.allocate(torch.empty(4, device="meta"), "second")
    assert [named.name_of(tensor) for tensor in (first, second)] == ["first", "second"]

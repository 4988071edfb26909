"""torchvision's operators are declared only where its own library cannot be loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.host import torchvision_ops

DECLARES = """
import torch
from harness.host import torchvision_ops
torchvision_ops._loads = lambda: False
kept = torchvision_ops.declare()
print(torch.ops.torchvision.nms.default._schema)
try:
    torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
except NotImplementedError:
    print("no kernel behind it")
"""


def test_where_torchvision_loads_nothing_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_ops, "_loads", lambda: True)
    assert torchvision_ops.declare() is None


def test_a_declared_operator_can_be_named_but_not_called() -> None:
    """In a process of its own: a library's declarations outlive whoever made them."""
    done = subprocess.run([sys.executable, "-c", DECLARES], capture_output=True, text=True)
    schema, called = done.stdout.splitlines()
    assert "torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" in schema
    assert called == "no kernel behind it"

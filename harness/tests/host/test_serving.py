"""What a server is told on a machine without an accelerator, and where it must not be asked."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from harness.errors import StandInMisused
from harness.host import serving

SOURCES = {
    "srt/speculative/eagle_utils": "_is_xpu = False\n",
    "kernels/ops/speculative/spec_tree": "_is_xpu = False\n_is_cpu = True\n",
    "srt/batch_invariant_ops/batch_invariant_ops": (
        "def get_dispatch_device_backend():\n    raise RuntimeError('no accelerator')\n"
    ),
    "srt/other": "_is_xpu = False\n",
}


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was changed in this process, for a toy package `wares` that asks as upstream does."""
    for name, source in SOURCES.items():
        file = tmp_path / "wares" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(torch.cuda, "synchronize", torch.cuda.synchronize)
    monkeypatch.setattr(torch.Tensor, "record_stream", torch.Tensor.record_stream)
    before, told = list(sys.meta_path), list[str]()
    serving.answer("wares", told.append)
    yield told
    sys.meta_path[:] = before
    for name in [name for name in sys.modules if name.partition(".")[0] == "wares"]:
        del sys.modules[name]


def test_tree_operators_are_those_of_xpu_and_every_change_is_told(noted: list[str]) -> None:
    utils = importlib.import_module("wares.srt.speculative.eagle_utils")
    tree = importlib.import_module("wares.kernels.ops.speculative.spec_tree")
    assert (utils._is_xpu, tree._is_xpu, tree._is_cpu) == (True, True, False)
    assert not hasattr(utils, "_is_cpu")
    told = [patch.partition(":")[0] for patch in noted]
    assert {"wares.srt.speculative.eagle_utils._is_xpu", f"{tree.__name__}._is_cpu"} <= set(told)


def test_other_modules_stay_as_they_are(noted: list[str]) -> None:
    assert importlib.import_module("wares.srt.other")._is_xpu is False
    assert not [patch for patch in noted if "other" in patch]


def test_deterministic_mode_gets_a_key_that_torch_knows(noted: list[str]) -> None:
    ops = importlib.import_module("wares.srt.batch_invariant_ops.batch_invariant_ops")
    library = torch.library.Library("aten", "IMPL")
    library.impl("aten::mm", lambda a, b: None, ops.get_dispatch_device_backend())
    assert torch.mm(torch.ones(1, 2), torch.ones(2, 1)).item() == 2.0  # the CPU's own


def test_waiting_for_the_device_is_over_at_once_unless_a_device_is_named(noted: list[str]) -> None:
    torch.cuda.synchronize()
    with pytest.raises(StandInMisused, match="cuda:0"):
        torch.cuda.synchronize("cuda:0")


def test_a_tensor_is_used_on_the_cpu_s_stream_and_on_no_other(noted: list[str]) -> None:
    torch.ones(1).record_stream(torch.cpu.current_stream())  # type: ignore[arg-type]
    with pytest.raises(StandInMisused, match="on cpu"):
        torch.ones(1).record_stream(object())  # type: ignore[arg-type]

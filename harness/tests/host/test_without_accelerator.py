"""What a server is told on a machine without an accelerator, and where it must not be asked."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from harness.errors import StandInMisused
from harness.host import without_accelerator

SOURCES = {
    "srt/speculative/eagle_utils": "_is_xpu = False\n",
    "kernels/ops/speculative/spec_tree": "_is_xpu = False\n_is_cpu = True\n",
    "srt/batch_invariant_ops/batch_invariant_ops": (
        "def get_dispatch_device_backend():\n    raise RuntimeError('no accelerator')\n"
    ),
    "srt/model_executor/forward_batch_info": "_is_cpu = True\n_is_npu = False\n",
    "srt/other": "_is_xpu = False\n",
    "srt/utils/common": (
        "import torch\n"
        "sglang_lib = torch.library.Library('wares', 'FRAGMENT')\n"
        "def direct_register_custom_op(op_name, op_func, mutates_args, fake_impl=None, target_lib=None):\n"
        "    if not hasattr(torch.ops.wares, op_name):\n"
        "        schema = torch.library.infer_schema(op_func, mutates_args=mutates_args)\n"
        "        sglang_lib.define(op_name + schema)\n"
        "        sglang_lib.impl(op_name, op_func, 'CUDA')\n"
    ),
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
    monkeypatch.setattr(torch, "tensor", torch.tensor)
    before, told = list(sys.meta_path), list[str]()
    without_accelerator.answer("wares", told.append)
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


def test_batches_are_padded_as_on_other_devices(noted: list[str]) -> None:
    batches = importlib.import_module("wares.srt.model_executor.forward_batch_info")
    assert (batches._is_cpu, batches._is_npu, hasattr(batches, "_is_xpu")) == (False, False, False)
    assert [patch for patch in noted if patch.startswith(f"{batches.__name__}._is_cpu:")]


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


def doubled(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def test_upstreams_own_operators_take_the_cpus_tensors(noted: list[str]) -> None:
    common = importlib.import_module("wares.srt.utils.common")
    for _ in range(2):  # upstream leaves out what is registered already
        common.direct_register_custom_op("doubled", doubled, [])
    assert torch.ops.wares.doubled(torch.ones(2)).tolist() == [2.0, 2.0]
    assert [patch for patch in noted if "direct_register_custom_op" in patch]


def test_no_memory_is_pinned_where_nothing_copies_from_it(noted: list[str]) -> None:
    made = torch.tensor([1, 2], dtype=torch.int32, pin_memory=True)
    assert made.tolist() == [1, 2] and made.dtype == torch.int32
    assert "torch.tensor: pins no memory" in noted

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from harness.host import kernel_tuning


def test_a_loaded_module_takes_default_block_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "wares.kernels.ops.lora.dense.lora_tuning_config"
    module = ModuleType(name)
    module.get_device_name = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, module)
    (line,) = kernel_tuning.by_default("wares")
    assert module.get_device_name() == "CPU"
    assert line == f"{name}.get_device_name: CPU, for which nothing was tuned"


def test_nothing_is_told_where_nothing_is_loaded() -> None:
    assert list(kernel_tuning.by_default("wares")) == []

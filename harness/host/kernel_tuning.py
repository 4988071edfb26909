"""Block sizes that upstream has measured for some devices: on a CPU its kernels take the default ones."""

from __future__ import annotations

import sys
from collections.abc import Iterator

_TUNED = (
    "srt.lora.triton_ops.lora_tuning_config",
    "kernels.ops.gemm.lora_tuning_config",  # from 0.5.16 on
    "kernels.ops.lora.dense.lora_tuning_config",  # from 0.5.22 on
)
"""Modules that name a file of block sizes by the device, which has no name without an accelerator."""
NAME = "CPU"


def by_default(package: str) -> Iterator[str]:
    """Name the CPU wherever a module of `package` that is loaded looks for block sizes; says where."""
    for name in (f"{package}.{module}" for module in _TUNED):
        if module := sys.modules.get(name):
            module.get_device_name = lambda: NAME  # type: ignore[attr-defined]
            yield f"{name}.get_device_name: {NAME}, for which nothing was tuned"

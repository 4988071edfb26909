"""Collectives of a captured graph, and what is around them: those of gloo are nodes as everything else is."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from harness.imports import Noted

NCCL = "srt.distributed.device_communicators.pynccl"
DATA_PARALLEL = "srt.layers.dp_attention"


def without_nccl(module: Any, noted: Noted) -> None:
    """Leave a communicator that found no NCCL off while a graph is captured.

    Upstream turns every communicator on for that time; without the library one has no device.
    """
    change = module.PyNcclCommunicator.change_state

    @functools.wraps(change)
    def change_state(self: Any, *args: Any, **named: Any) -> AbstractContextManager[Any]:
        found: AbstractContextManager[Any] = change(self, *args, **named)
        return found if hasattr(self, "device") else nullcontext()

    module.PyNcclCommunicator.change_state = change_state
    noted(f"{module.__name__}.PyNcclCommunicator.change_state: stays off without NCCL")


def copied_by_kernel(module: Any, noted: Noted) -> None:
    """Let a rank's rows be copied by upstream's Triton kernel, as on other devices.

    From 0.5.19 on it has a function for the CPU, which takes their number out of a tensor: no graph can.
    """
    if hasattr(module, "memcpy_func"):
        module.memcpy_func = module.memcpy_triton
        noted(f"{module.__name__}.memcpy_func: Triton's, as on other devices")

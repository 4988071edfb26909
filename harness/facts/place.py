"""Where a case runs, and what it needs there: kinds of machine, features."""

from __future__ import annotations

from enum import StrEnum


class Host(StrEnum):
    """The kind of machine that computes."""

    CPU = "cpu"
    CUDA = "cuda"
    ROCM = "rocm"

    @property
    def has_devices(self) -> bool:
        return self is not Host.CPU


class Feature(StrEnum):
    """What a machine may have and a case may require; `harness.machine` looks for each."""

    TORCH = "torch"
    TRITON = "triton"
    INTERPRETER = "triton-interpreter"
    CUDA = "cuda"
    ROCM = "rocm"
    AITER = "aiter"
    SGL_KERNEL = "sgl_kernel"
    FLASHINFER = "flashinfer"
    CPU_SERVERS = "cpu-servers"
    """Servers compute on the CPU, for want of an accelerator."""

"""Where a case runs, and what it needs there: tiers, kinds of machine, platforms, features."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import BadInput


class Tier(StrEnum):
    """How an arm exercises upstream: compile its kernels, call its functions, serve its models."""

    CODEGEN = "codegen"
    KERNEL = "kernel"
    SERVER = "server"


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


_PLATFORM = re.compile(r"cpu|cuda(-sm\d+)?|rocm(-gfx[0-9a-f]+)?")


class Platform(str):
    """A platform's name: `cpu`, a family (`cuda`, `rocm`), or one architecture (`cuda-sm90`, `rocm-gfx942`).

    Raises BadInput for any other word.
    """

    __slots__ = ()

    def __new__(cls, name: str) -> Platform:
        if not _PLATFORM.fullmatch(name):
            raise BadInput(f"{name!r} is no platform: write cpu, or one like cuda-sm90 or rocm-gfx942")
        return super().__new__(cls, name)

    @property
    def host(self) -> Host:
        return Host(self.partition("-")[0])

    @property
    def architecture(self) -> str:
        """What follows the family, such as sm90; empty for a CPU and for a whole family."""
        return self.partition("-")[2]


@dataclass(frozen=True, order=True)
class CaseKey:
    """What a result and a golden are of: a subject's id, a tier, a platform."""

    subject: str
    tier: Tier
    platform: Platform

    def __str__(self) -> str:
        return f"{self.subject} {self.tier} {self.platform}"

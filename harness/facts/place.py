"""Where a case runs, and what it needs there: tiers, platforms, features; and a case's own name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.facts.checks import member, require
from harness.facts.words import Word, nearest


class Tier(Word):
    """What an arm does, from the quickest to the slowest; each tier's cases stand under its word."""

    CODEGEN = "codegen"
    """Compiles kernels for a GPU that need not be here."""
    KERNEL = "kernel"
    """Calls real upstream functions."""
    SERVER = "server"
    """Starts a real server and talks to it."""


class Host(Word):
    """The kind of machine that computes."""

    CPU = "cpu"
    CUDA = "cuda"
    ROCM = "rocm"
    EMULATED = "emulated"
    """A CPU that executes an AMD GPU's machine code. No machine is of this kind; cases run on it."""

    @property
    def has_devices(self) -> bool:
        return self in (Host.CUDA, Host.ROCM)


def accelerator(word: str, field_name: str) -> Host:
    """The kind of accelerator that is written so: `cuda` or `rocm`."""
    host = member(Host, word, field_name)
    require(host.has_devices, field_name, f"{word!r} is not cuda or rocm")
    return host


class Feature(Word):
    """What a machine may have and a case may require; `harness.machine` looks for each."""

    TORCH = "torch"
    """It is installed."""
    TRITON = "triton"
    """It is installed."""
    INTERPRETER = "triton-interpreter"
    """Triton's interpreter works with the numpy that is installed."""
    CUDA = "cuda"
    """An NVIDIA GPU."""
    ROCM = "rocm"
    """An AMD GPU that torch was built for."""
    AITER = "aiter"
    """The library itself can be imported."""
    SGL_KERNEL = "sgl_kernel"
    """The library itself can be imported."""
    FLASHINFER = "flashinfer"
    """The library itself is installed."""
    CPU_SERVERS = "cpu-servers"
    """Servers compute on the CPU, for want of an accelerator."""


_WORD = re.compile(r"cpu|cuda(-sm[0-9]+)?|rocm(-gfx[0-9a-f]+)?|emulated-gfx[0-9a-f]+")
_LIKE = ("cpu", "cuda", "cuda-sm90", "rocm", "rocm-gfx942")


@dataclass(frozen=True, order=True)
class Platform:
    """The kind of machine and its chip, written `cpu`, `cuda-sm90`, `rocm-gfx942`.

    Without a chip (`cuda`) it is whichever of that kind is there. `emulated-gfx942` is a CPU that executes
    what was compiled for that chip: it is never `rocm-gfx942`. ValueError for a chip of another kind.
    """

    host: Host
    chip: str = ""

    def __post_init__(self) -> None:
        _refuse_others(str(self))

    def __str__(self) -> str:
        return f"{self.host}-{self.chip}" if self.chip else self.host.value

    @property
    def emulates(self) -> Platform | None:
        """The GPU whose machine code is executed here; None where nothing is emulated."""
        return Platform(Host.ROCM, self.chip) if self.host is Host.EMULATED else None

    @classmethod
    def parse(cls, word: str) -> Platform:
        """The platform that is written so. ValueError, with the nearest, where none is."""
        _refuse_others(word)
        host, _, chip = word.partition("-")
        return cls(Host(host), chip)

    @classmethod
    def of_machine(cls, word: str) -> Platform:
        """The platform of a machine. ValueError as from `parse`, and for what runs on another kind."""
        found = cls.parse(word)
        if found.emulates:
            raise ValueError(f"{word} is no machine: what is emulated runs on a CPU")
        return found


def _refuse_others(word: str) -> None:
    if not _WORD.fullmatch(word):
        raise ValueError(f"{word!r} is not like {', '.join(_LIKE)}{nearest(word, _LIKE)}")


CPU = Platform(Host.CPU)


def runs_on(tier: Tier, named: Platform | None, machine: Platform) -> Platform:
    """Where a case runs on a machine: the platform that its result, and its golden, is of.

    `named` is what the case says (`Subject.platforms`). A kernel case that names none runs on the CPU,
    whatever else there is; one that names a kind of accelerator runs on the chip that is there. Kernels are
    compiled, or emulated, for the target that is named.
    """
    if named is None:
        return CPU if tier is Tier.KERNEL else machine
    return machine if named == Platform(machine.host) else named


@dataclass(frozen=True, order=True)
class CaseKey:
    """What names a case's result and its golden; printed as people read it."""

    reproducer: str
    tier: Tier
    platform: Platform

    def __str__(self) -> str:
        return f"{self.reproducer} {self.tier} {self.platform}"

    def to_json(self) -> dict[str, str]:
        return {"reproducer": self.reproducer, "tier": self.tier.value, "platform": str(self.platform)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CaseKey:
        """What `to_json` wrote, wherever it stands. ValueError for unknown words."""
        return cls(str(data["reproducer"]), Tier(data["tier"]), Platform.parse(data["platform"]))


class OfCase:
    """What has a key shows its parts as its own."""

    key: CaseKey

    @property
    def reproducer(self) -> str:
        return self.key.reproducer

    @property
    def tier(self) -> Tier:
        return self.key.tier

    @property
    def platform(self) -> Platform:
        return self.key.platform

"""Whether the AMD GPUs of a machine can be used, and why not: it would count as a CPU without a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.machine import amd, hip_visible
from harness.machine.amd import Gpu
from harness.machine.hip_visible import CUDA, HIP, ROCR

SERVED = frozenset({"gfx90a", "gfx942", "gfx950"})
"""Those of AMD's Instinct cards since the MI200: on such a machine nobody means its CPU."""
OVERRIDE = "HSA_OVERRIDE_GFX_VERSION"
"""Makes ROCr take a GPU for another one."""


class Use(StrEnum):
    """`none`: no GPU is there; `lacking`: none can be used; `wrong`: none is, where one was meant."""

    NONE = "none"
    WORKS = "works"
    LACKING = "lacking"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """How it stands with the AMD GPUs, and in words."""

    use: Use
    told: str


def look(built: str | None, environment: Mapping[str, str], root: Path = Path("/")) -> Finding:
    """`built` is the HIP that torch was built for; `root` stands for the file system in tests."""
    there = amd.published(root)
    if not there:
        return Finding(Use.NONE, "none")
    usable = amd.usable(root)
    if not any(gpu.version for gpu in there):
        return Finding(
            Use.LACKING, f"{len(there)}, of which the driver tells no gfx_target_version: update the kernel"
        )
    if not usable:
        return Finding(Use.LACKING if built is None else Use.WRONG, _closed(there))
    if built is None:
        bad = {gpu.architecture for gpu in usable} & SERVED
        return Finding(Use.WRONG if bad else Use.LACKING, f"{_many(usable)}: {_UNBUILT}")
    if value := environment.get(OVERRIDE):
        return Finding(
            Use.WRONG, f"{_many(usable)}: {OVERRIDE}={value} has code of another chip run on it: unset it"
        )
    return _seen(there, usable, environment)


_UNBUILT = "torch is not built for HIP, so that this machine counts as a CPU: install torch for ROCm"


def _seen(there: tuple[Gpu, ...], usable: tuple[Gpu, ...], environment: Mapping[str, str]) -> Finding:
    shown = tuple(one.gpu for one in hip_visible.visible(usable, environment))
    if not shown:
        given = ", ".join(f"{name}={environment[name]}" for name in (ROCR, HIP, CUDA) if name in environment)
        return Finding(Use.LACKING, f"{_many(usable)}, all of them hidden by {given}")
    used = tuple(gpu for gpu in shown if gpu.version == shown[0].version)
    left = {
        "of another architecture": len(shown) - len(used),
        "hidden by a variable": len(usable) - len(shown),
        "closed to this user": len(there) - len(usable),
    }
    rest = "".join(f"; {count} {why}" for why, count in left.items() if count)
    return Finding(Use.WORKS, _many(used) + rest)


def _many(gpus: tuple[Gpu, ...]) -> str:
    """How many there are, of what, and on how many cards: 64 of gfx942 (partitions of 8 cards)."""
    kinds = ", ".join(dict.fromkeys(gpu.architecture for gpu in gpus))
    cards = len({gpu.card for gpu in gpus})
    parts = f" (partitions of {cards} cards)" if cards < len(gpus) else ""
    return f"{len(gpus)} of {kinds}{parts}"


def _closed(there: tuple[Gpu, ...]) -> str:
    remedy = "join the groups render and video, or give the container --device /dev/kfd --device /dev/dri"
    return f"{_many(there)}, and this user can open none of them, or not /dev/kfd: {remedy}"

"""What this machine is and has: the platform that goldens are kept for, and named features."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform as python_platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.facts.place import CPU, Feature, Host, Platform
from harness.machine import amd, hip_visible, nvidia, torch_build

SOFTWARE = ("torch", "triton", "numpy", "transformers")
"""Distributions whose versions are part of a result's provenance."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """`platform` is cpu, cuda-sm90, rocm-gfx942, …; `features` what reproducers may require.

    `gpus` is how many GPUs a process sees: each rank of a server needs one of its own, while a CPU holds any
    number of ranks. `hardware` tells apart machines whose times cannot be compared. It is none of the
    `facts`, which goldens keep.
    """

    platform: Platform
    features: frozenset[Feature]
    gpus: int = 0
    facts: Mapping[str, str] = field(default_factory=dict)
    hardware: str = ""

    @property
    def host(self) -> Host:
        """The kind of machine."""
        return self.platform.host

    def missing(self, required: frozenset[str], ranks: int = 1) -> tuple[str, ...]:
        """What of these features, and of a GPU for each rank, this machine lacks."""
        few = ranks > 1 and self.host.has_devices and self.gpus < ranks
        return (*sorted(required - self.features), *([f"{ranks} GPUs"] if few else []))

    def to_json(self) -> dict[str, Any]:
        told = {"platform": str(self.platform), "features": sorted(self.features), **self.facts}
        more = {"gpus": self.gpus, "hardware": self.hardware}
        return {**told, **{name: value for name, value in more.items() if value}}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Machine:
        """A machine as far as what a case needs: platform, features, GPUs. ValueError for no machine."""
        features = frozenset(feature for feature in Feature if feature in told["features"])
        platform, gpus = Platform.of_machine(told["platform"]), int(told.get("gpus", 0))
        return cls(platform=platform, features=features, gpus=gpus)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def interprets(triton: str, numpy: str) -> bool:
    """Whether this Triton's interpreter works with this numpy.

    Seen: 3.6's ends a launch with numpy 2.4 in "only 0-dimensional arrays can be converted", 3.9's does not.
    """
    return _release(numpy) < (2, 4) or _release(triton) >= (3, 9)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _has_device(path: str) -> bool:
    return os.path.exists(path)


def _hardware() -> str:
    """The processor and how many of its CPUs may be used.

    No name of the machine: a container has another each time.
    """
    text = (
        Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if Path("/proc/cpuinfo").is_file()
        else ""
    )
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return f"{model[1].strip() if model else python_platform.machine()}, {len(os.sched_getaffinity(0))} CPUs"


def this_machine(root: Path = Path("/")) -> Machine:
    """Looks without importing torch, which would cost seconds and touch an accelerator.

    `root` stands for the file system in which AMD's driver publishes its GPUs, in tests.
    """
    versions = {name: version for name in SOFTWARE if (version := _version(name))}
    features = {name for name in (Feature.TORCH, Feature.TRITON) if name in versions}
    features |= {name for name in (Feature.AITER, Feature.SGL_KERNEL) if importlib.util.find_spec(name)}
    if {"triton", "numpy"} <= set(versions) and interprets(versions["triton"], versions["numpy"]):
        features.add(Feature.INTERPRETER)
    if _version("flashinfer-python"):  # its module may be a kit's inert stand-in
        features.add(Feature.FLASHINFER)
    if _has_device("/dev/nvidiactl"):
        features.add(Feature.CUDA)
    facts = {"python": python_platform.python_version(), "system": python_platform.system(), **versions}
    gpus = _nvidia(torch_build.cuda()) or _amd(torch_build.hip(), root)
    if gpus is None:
        features.add(Feature.CPU_SERVERS)
        return Machine(platform=CPU, features=frozenset(features), facts=facts, hardware=_hardware())
    return Machine(
        platform=gpus.platform, features=frozenset({*features, *gpus.features}), gpus=gpus.number,
        facts={**facts, **gpus.facts}, hardware=_hardware(),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Gpus:
    """The GPUs that torch can use here; one that it was not built for is none."""

    platform: Platform
    number: int
    facts: Mapping[str, str]
    features: frozenset[Feature] = frozenset()


def _nvidia(built: str | None) -> _Gpus | None:
    gpu = nvidia.gpu() if built else None
    if gpu is None or built is None:
        return None
    chip = Platform(Host.CUDA, f"sm{gpu.chip}")
    return _Gpus(platform=chip, number=nvidia.visible(), facts={**gpu.facts, "cuda": built})


def _amd(built: str | None, root: Path) -> _Gpus | None:
    seen = hip_visible.of_this_machine(os.environ, root) if built else ()
    if not seen or built is None or not seen[0].gpu.version:
        return None
    first = seen[0].gpu
    told = {"gpu": amd.name(first, root), "driver": amd.driver(root), "hip": built}
    return _Gpus(
        platform=Platform(Host.ROCM, first.architecture),
        number=len(seen),
        features=frozenset({Feature.ROCM}),
        facts={name: value for name, value in told.items() if value},
    )

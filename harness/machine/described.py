"""A machine that is not here, by its platform: with everything that upstream's own image for it brings."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.errors import BadInput
from harness.facts.place import Feature, Host
from harness.foreign import shown
from harness.machine.features import Machine

_PLATFORM = re.compile(r"cpu|cuda-sm\d{2,3}|rocm-gfx\d{1,3}[0-9a-f]{2}")
_SOFTWARE = frozenset({Feature.TORCH, Feature.TRITON, Feature.INTERPRETER})
_BROUGHT: Mapping[Host, frozenset[Feature]] = {
    Host.CPU: frozenset(),
    Host.CUDA: frozenset({Feature.CUDA, Feature.SGL_KERNEL, Feature.FLASHINFER}),
    Host.ROCM: frozenset({Feature.ROCM, Feature.SGL_KERNEL}),
}
_AITER = frozenset({"rocm-gfx942", "rocm-gfx950"})
"""What upstream builds images with aiter for (docker/rocm.Dockerfile of 0.5.15)."""


def described(platform: str, gpus: int | None = None) -> Machine:
    """The machine of this platform, with as many GPUs: one, unless told otherwise.

    Raises BadInput for what is no platform, and for GPUs of a CPU.
    """
    if not _PLATFORM.fullmatch(platform):
        raise BadInput(f"{shown(platform, 80)}: is no platform: write it like rocm-gfx942, cuda-sm90 or cpu")
    host = Host(platform.partition("-")[0])
    if not host.has_devices and gpus:
        raise BadInput(f"{platform}: has no GPUs: leave their number out, or name a platform that has some")
    features = _SOFTWARE | _BROUGHT[host] | ({Feature.AITER} if platform in _AITER else frozenset())
    return Machine(platform=platform, features=features, gpus=(gpus or 1) if host.has_devices else 0)

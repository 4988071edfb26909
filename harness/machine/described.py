"""A machine that is not here, by its platform: with everything that upstream's own image for it brings."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import BadInput
from harness.facts.place import Feature, Host, Platform
from harness.foreign import shown
from harness.machine.features import Machine

_SOFTWARE = frozenset({Feature.TORCH, Feature.TRITON, Feature.INTERPRETER})
_BROUGHT: Mapping[Host, frozenset[Feature]] = {
    Host.CPU: frozenset({Feature.CPU_SERVERS}),
    Host.CUDA: frozenset({Feature.CUDA, Feature.SGL_KERNEL, Feature.FLASHINFER}),
    Host.ROCM: frozenset({Feature.ROCM, Feature.SGL_KERNEL}),
}
_AITER = frozenset({"gfx942", "gfx950"})
"""The chips that upstream builds images with aiter for (docker/rocm.Dockerfile of 0.5.15)."""


def described(platform: str, gpus: int | None = None) -> Machine:
    """The machine of this platform, with as many GPUs: one, unless told otherwise.

    Raises BadInput for what names no machine, and for GPUs of a CPU.
    """
    place = _place(platform)
    if not place.host.has_devices and gpus:
        raise BadInput(f"{platform}: has no GPUs: leave their number out, or name a platform that has some")
    features = _SOFTWARE | _BROUGHT[place.host] | ({Feature.AITER} if place.chip in _AITER else frozenset())
    return Machine(platform=place, features=features, gpus=(gpus or 1) if place.host.has_devices else 0)


def _place(word: str) -> Platform:
    try:
        place = Platform.parse(word)
    except ValueError:
        place = None
    if place is None or bool(place.chip) is not place.host.has_devices:
        raise BadInput(f"{shown(word, 80)}: names no machine: write it like rocm-gfx942, cuda-sm90 or cpu")
    return place

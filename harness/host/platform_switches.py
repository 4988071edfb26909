"""Makes upstream take its switches for another platform than this machine's."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from types import ModuleType

import torch

from harness.facts import Host, Platform

_PLATFORM_QUERIES = "sglang.srt.utils.common"
"""Where upstream asks what it runs on, and remembers the answer."""
_SWITCHES: Mapping[str, Host] = {"_is_hip": Host.ROCM, "_is_cpu": Host.CPU}
"""What upstream's modules call the answers that they keep for themselves, and where each is yes."""
_VERSION = "0.0-pretended"


def hide_hip() -> tuple[str, ...]:
    """Be no ROCm machine for what is imported from here on; returns what was changed in this process.

    For arms that compute on the CPU: upstream's `is_hip` asks what torch was built for and not which GPUs are
    to be seen, so that with a torch for HIP its modules would take their ROCm side, and ask for the GPU.
    """
    if torch.version.hip is None:
        return ()
    torch.version.hip = None
    return ("torch.version.hip, as on the cpu",)


def pretend(platform: Platform, package: str) -> tuple[str, ...]:
    """Be on `platform` for upstream's switches from here on; returns what was changed in this process.

    Call it once the modules under test are imported: their imports ask more of a GPU than can be
    answered without one. HIP and the CPU have switches; every other platform is neither of them.
    """
    is_hip = platform.host is Host.ROCM
    changed = [] if (torch.version.hip is not None) is is_hip else ["torch.version.hip"]
    if changed:
        torch.version.hip = _VERSION if is_hip else None
    _forget_answers()
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] == package:
            changed += [f"{name}.{switch}" for switch in _turned(module, platform.host)]
    return tuple(f"{name}, as on {platform}" for name in changed)


def _turned(module: ModuleType, host: Host) -> Iterator[str]:
    for switch, where in _SWITCHES.items():
        answer = host is where
        if vars(module).get(switch) is (not answer):
            setattr(module, switch, answer)
            yield switch


def _forget_answers() -> None:
    """What upstream remembers about the platform, so that it asks again."""
    queries = vars(sys.modules[_PLATFORM_QUERIES]) if _PLATFORM_QUERIES in sys.modules else {}
    for name, query in queries.items():
        if name.startswith("is_") and hasattr(query, "cache_clear"):
            query.cache_clear()

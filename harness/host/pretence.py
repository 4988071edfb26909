"""Makes upstream take its switches for another platform than this machine's."""

from __future__ import annotations

import sys

import torch

_PLATFORM_QUERIES = "sglang.srt.utils.common"
"""Where upstream asks what it runs on, and remembers the answer."""
_SWITCH = "_is_hip"
"""What upstream's modules call the answer that they keep for themselves."""
_VERSION = "0.0-pretended"


def pretend(platform: str, package: str) -> tuple[str, ...]:
    """Be on `platform` for upstream's switches from here on; returns what was changed in this process.

    Call it once the modules under test are imported: their imports ask more of a GPU than can be
    answered without one. Only HIP has a switch of its own; every other platform is what is not HIP.
    """
    is_hip = platform.startswith("rocm")
    changed = [] if (torch.version.hip is not None) is is_hip else ["torch.version.hip"]
    if changed:
        torch.version.hip = _VERSION if is_hip else None
    _forget_answers()
    for name, module in sorted(sys.modules.items()):
        switch = vars(module).get(_SWITCH) if name.partition(".")[0] == package else None
        if isinstance(switch, bool) and switch is not is_hip:
            setattr(module, _SWITCH, is_hip)
            changed.append(f"{name}.{_SWITCH}")
    return tuple(f"{name}, as on {platform}" for name in changed)


def _forget_answers() -> None:
    """What upstream remembers about the platform, so that it asks again."""
    queries = vars(sys.modules[_PLATFORM_QUERIES]) if _PLATFORM_QUERIES in sys.modules else {}
    for name, query in queries.items():
        if name.startswith("is_") and hasattr(query, "cache_clear"):
            query.cache_clear()

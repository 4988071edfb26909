"""CUDA graphs in a server's process on the CPU: the host's answers, and the recorder that they are about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from harness.host import attention, graphs
from harness.imports import Noted
from harness.memory import graphs as recorder


def install(settings: Mapping[str, Any], noted: Noted, told: Callable[[attention.Stray], None]) -> None:
    """Record and replay from now on; `told` hears of what references for native attention read astray."""
    package = settings["package"]
    for patch in recorder.install(torch.cpu):
        noted(patch)
    graphs.answer(package, noted)
    if settings["attention"]:
        attention.stand_in(settings["attention"], package, recorder.native, told, noted)


def unheard(stray: attention.Stray) -> None:
    """For a process in which nothing is watched."""

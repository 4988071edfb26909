"""Streams and events of `torch.cuda`, by which upstream orders what a graph does with the rest."""

from __future__ import annotations

import torch

NAMES = ("Event", "Stream", "current_stream", "stream")


def put() -> tuple[str, ...]:
    """Let them be those of `torch.cpu`, which has one stream in which everything is in order."""
    for name in NAMES:
        setattr(torch.cuda, name, getattr(torch.cpu, name))
    return tuple(f"torch.cuda.{name}: the CPU's" for name in NAMES)

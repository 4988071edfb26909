"""Puts the recorder where code asks torch for CUDA graphs."""

from __future__ import annotations

from typing import Any

import torch

from harness.memory.graphs import cudagraph, launches, refusals, stage
from harness.observation import records

_NAMES = {
    "CUDAGraph": cudagraph.CUDAGraph,
    "graph": cudagraph.graph,
    "graph_pool_handle": cudagraph.graph_pool_handle,
    "is_current_stream_capturing": stage.capturing,
}
"""What torch calls each of them, in `torch.cuda`."""
EMULATED = f"{records.EMULATED}CUDA graphs, recorded and replayed on the CPU"
"""What the attestation of a process says in which graphs are not a device's own."""


def install(*modules: Any) -> tuple[str, ...]:
    """Be `torch.cuda`'s graphs in this process from here on, and those of `modules` (such as `torch.cpu`).

    Returns what the attestation says of it, changes for the time of a capture included.
    """
    told = [EMULATED]
    for module in (torch.cuda, *modules):
        for name, ours in _NAMES.items():
            setattr(module, name, ours)
            told.append(f"{module.__name__}.{name}: the recorder's")
    during = (*launches.PATCHES, *refusals.PATCHES)
    return (*told, *(f"{patch} while a graph is captured" for patch in during))

"""Puts the recorder where code asks torch for CUDA graphs."""

from __future__ import annotations

from typing import Any

import torch

from harness.memory.graphs import cudagraph, launches, refusals, stage

_NAMES = {
    "CUDAGraph": cudagraph.CUDAGraph,
    "graph": cudagraph.graph,
    "graph_pool_handle": cudagraph.graph_pool_handle,
    "is_current_stream_capturing": stage.capturing,
}
"""What torch calls each of them, in `torch.cuda`."""
_RECORDED = "recorded on the CPU"


def install(*modules: Any) -> tuple[str, ...]:
    """Be `torch.cuda`'s graphs in this process from here on, and those of `modules` (such as `torch.cpu`).

    Returns what the attestation says of it, changes for the time of a capture included.
    """
    told = []
    for module in (torch.cuda, *modules):
        for name, ours in _NAMES.items():
            setattr(module, name, ours)
            told.append(f"{module.__name__}.{name}: {_RECORDED}")
    during = (*launches.PATCHES, *refusals.PATCHES)
    return (*told, *(f"{patch} while a graph is captured" for patch in during))


def is_told(patch: str) -> bool:
    """Whether a line of an attestation says that graphs were emulated."""
    return patch.endswith(_RECORDED)

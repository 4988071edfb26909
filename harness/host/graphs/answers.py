"""Puts every answer about graphs where upstream asks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from harness import imports
from harness.host.graphs import collectives, decoding, drafting, streams
from harness.imports import Noted

_MODES = "srt.model_executor.forward_batch_info"


def answer(package: str, noted: Noted) -> None:
    """Let `package` capture and replay graphs in this process from now on."""
    changes: Mapping[str, Callable[[Any, Noted], None]] = {
        decoding.RUNNER: decoding.as_on_cuda,
        decoding.SETUP: decoding.as_on_cuda,
        **dict.fromkeys(drafting.WORKERS, drafting.as_on_cuda),
        collectives.NCCL: collectives.without_nccl,
        collectives.DATA_PARALLEL: collectives.copied_by_kernel,
        _MODES: one_mode,
    }
    imports.after(
        {f"{package}.{name}": functools.partial(_told, change, noted) for name, change in changes.items()}
    )
    for patch in streams.put():
        noted(patch)


def _told(change: Callable[[Any, Noted], None], noted: Noted, module: Any) -> None:
    change(module, noted)


def one_mode(module: Any, noted: Noted) -> None:
    """Let the batches that run in graphs be those of CUDA's: upstream asks for a CPU's own kind."""
    module.ForwardMode.is_cpu_graph = module.ForwardMode.is_cuda_graph
    noted(f"{module.__name__}.ForwardMode.is_cpu_graph: as is_cuda_graph")

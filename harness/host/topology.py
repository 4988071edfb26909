"""Upstream's own parallel groups, for one rank: what its backends ask for their world size."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

PARALLEL_STATE = "sglang.srt.distributed.parallel_state"


def single_rank(folder: Path) -> None:
    """Initialise upstream's process groups for a world of one; a second call does nothing.

    `folder` receives the rendezvous file, so that no port is needed.
    """
    state: Any = importlib.import_module(PARALLEL_STATE)
    if state.model_parallel_is_initialized():
        return
    method = f"file://{folder / 'rendezvous'}"
    state.init_distributed_environment(world_size=1, rank=0, local_rank=0, distributed_init_method=method, backend="gloo")
    known = inspect.signature(state.initialize_model_parallel).parameters
    sizes = {"tensor_model_parallel_size": 1} if "tensor_model_parallel_size" in known else {}
    state.initialize_model_parallel(backend="gloo", **sizes)

"""Upstream's own parallel groups for one rank, and the configuration that newer releases publish."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

PARALLEL_STATE = "sglang.srt.distributed.parallel_state"
RUNTIME_CONTEXT = "sglang.srt.runtime_context"


def single_rank(folder: Path) -> None:
    """Initialise upstream's process groups for a world of one; a second call does nothing.

    `folder` receives the rendezvous file, so that no port is needed.
    """
    state: Any = importlib.import_module(PARALLEL_STATE)
    if state.model_parallel_is_initialized():
        return
    if (context := _context()) is not None:  # since 0.5.21 the groups' sizes are read from it
        context.override_server_args(device="cpu").install()
    method = f"file://{folder / 'rendezvous'}"
    state.init_distributed_environment(
        world_size=1, rank=0, local_rank=0, distributed_init_method=method, backend="gloo"
    )
    known = inspect.signature(state.initialize_model_parallel).parameters
    sizes = {"tensor_model_parallel_size": 1} if "tensor_model_parallel_size" in known else {}
    state.initialize_model_parallel(backend="gloo", **sizes)


@contextmanager
def configured(**fields: Any) -> Iterator[Any]:
    """Publish upstream's own configuration with these fields; yields its ServerArgs.

    Releases up to 0.5.16 publish none and ask the model runner's arguments: there this yields None.
    """
    context = _context()
    if context is None:
        yield None
        return
    with context.override_server_args(**fields) as server_args:
        yield server_args


def undivided() -> AbstractContextManager[Any]:
    """State that no request's context is divided among ranks (decode context parallelism).

    0.5.23 asks for it; releases without `get_spec` ask the model runner, and there this does nothing.
    """
    if _context() is None:
        return nullcontext()
    parallel: Any = importlib.import_module(RUNTIME_CONTEXT).get_parallel()
    stated: AbstractContextManager[Any] = parallel.override(attn_dcp_rank=0)
    return stated


def _context() -> Any:
    """Upstream's holder of the published configuration, where it is asked for what was in ServerArgs."""
    if importlib.util.find_spec(RUNTIME_CONTEXT) is None:
        return None
    module: Any = importlib.import_module(RUNTIME_CONTEXT)
    return module.get_context() if hasattr(module, "get_spec") else None

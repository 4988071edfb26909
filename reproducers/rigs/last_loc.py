"""Upstream's own dispatch of get_last_loc, and tables to look slots up in."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from harness.facts import KernelLab, Lab

MODULE = "sglang.srt.managers.schedule_batch"
"""What every release imports the dispatcher's module through; the module itself has moved."""
STAND_INS = ("sgl_kernel",)
"""What releases up to 0.5.12 import on the way there."""
_HOMES = ("sglang.srt.mem_cache.allocation", "sglang.srt.mem_cache.common")
_CONTEXT = "sglang.srt.runtime_context"
DTYPES = ("int64", "int32")
_BACKEND = "triton"

# By release (read in the wheels): up to 0.5.13 the first version of EAGLE, n-gram and DFlash hand over
# seq_lens, which is int64; the second version of EAGLE, alone since 0.5.14, hands over int32 lengths.
# req_pool_indices is int64 and req_to_token int32 everywhere.
_CALLERS = {
    ("int64", "int64"): "as EAGLE, n-gram and DFlash call it up to 0.5.13; nobody does since 0.5.14",
    ("int32", "int64"): "as EAGLE's second version calls it, in every release, and DFlash since 0.5.14",
}


def callers(prefix_lens: str, req_pool_indices: str) -> str:
    """Who passes these dtypes."""
    pair = f"prefix_lens {prefix_lens}, req_pool_indices {req_pool_indices}"
    return f"{pair}: {_CALLERS.get((prefix_lens, req_pool_indices), 'no caller in 0.5.9 to 0.5.23')}"


# --- the dispatcher --------------------------------------------------------------------------


def dispatch(
    req_to_token: Any,
    rows: Sequence[int],
    lengths: Sequence[int],
    prefix_lens: str,
    req_pool_indices: str,
    device: str = "cpu",
) -> Any:
    """Call upstream's get_last_loc for the requests in `rows`, with tensors of these dtypes."""
    import torch

    indices = torch.tensor(rows, dtype=getattr(torch, req_pool_indices), device=device)
    prefixes = torch.tensor(lengths, dtype=getattr(torch, prefix_lens), device=device)
    return _home().get_last_loc(req_to_token, indices, prefixes)


def _home() -> Any:
    """The module that holds the dispatcher in this release."""
    loaded = [sys.modules[name] for name in _HOMES if name in sys.modules]
    return next(module for module in loaded if hasattr(module, "get_last_loc"))


@contextmanager
def dispatching(lab: Lab) -> Iterator[None]:
    """Upstream's configuration as a server with the Triton attention backend has it."""
    with _configured(lab):
        yield


def _configured(lab: Lab) -> AbstractContextManager[Any]:
    """Where the dispatcher looks the backend up has moved twice: it is asked, not the release."""
    source = inspect.getsource(_home().get_last_loc)
    if "get_flags" in source:  # 0.5.15
        override: AbstractContextManager[Any] = (
            importlib.import_module(_CONTEXT).get_flags().attn.override(backend=_BACKEND)
        )
        return override
    is_published = any(word in source for word in ("get_exec", "attention_backends"))
    return _published(lab) if is_published else _global(lab)


@contextmanager
def _global(lab: Lab) -> Iterator[None]:
    """Up to 0.5.14: the process's server arguments."""
    server_args: Any = importlib.import_module("sglang.srt.server_args")
    server_args.set_global_server_args_for_scheduler(lab.stand_in("server_args", attention_backend=_BACKEND))
    yield


@contextmanager
def _published(lab: Lab) -> Iterator[None]:
    """From 0.5.17: the published configuration, of which the dispatcher reads up to three leaves."""
    context: Any = importlib.import_module(_CONTEXT).get_context()
    leaves = dict(attention_backend=_BACKEND, prefill_attention_backend=None, decode_attention_backend=None)
    before = context._config_bags
    context._config_bags = {"exec": lab.stand_in("exec", kernel=lab.stand_in("kernel", **leaves))}
    try:
        yield
    finally:
        context._config_bags = before


# --- tables ----------------------------------------------------------------------------------


def slot_of(row: int) -> int:
    """The slot that a table holds for a row's last token: another one for every row, never 0."""
    return 3 * row + 5


def small_table(requests: int, context_len: int, device: str = "cpu") -> Any:
    """A req_to_token of the pool's dtype, with a row for each request."""
    import torch

    table = torch.zeros((requests, context_len), dtype=torch.int32, device=device)
    for row in range(requests):
        table[row, context_len - 1] = slot_of(row)
    return table


@contextmanager
def sparse_table(lab: KernelLab, context_len: int, row: int, prefix_len: int) -> Iterator[Any]:
    """A req_to_token of `row` + 1 rows, backed by a file with holes: only what is touched takes room."""
    import torch

    file: Path = lab.folder / "req_to_token"
    rows = row + 1
    flat = torch.from_file(str(file), shared=True, size=rows * context_len, dtype=torch.int32)
    file.unlink()  # the mapping keeps it for as long as it is needed
    table = flat.view(rows, context_len)
    for filled in (1, row):
        table[filled, prefix_len - 1] = slot_of(filled)
    yield table

"""Inside a server: overwrites a page of a request's KV cache between two of its decode steps.

A request asks for it by its id, `overwrite.FIRST.END.SEED`: the positions to overwrite, and the seed that
draws, for each of them, another position of the same request whose keys and values it gets instead. So
nothing but this request's cache is touched, and by nothing but plausible content.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Mapping
from typing import Any

from harness import imports
from harness.tiers.server import inside

ENTRY = f"{__name__}:begin"
PREFIX = "overwrite"
AFTER_TOKENS = 2
DONE = "overwritten:"
"""Begins the log's line for each request whose page was overwritten."""


def request_id(first: int, end: int, seed: int) -> str:
    """The id of a request whose positions `first` up to `end` are to be overwritten."""
    return f"{PREFIX}.{first}.{end}.{seed}"


def begin(settings: Mapping[str, Any]) -> None:
    """Entry of a server's processes, in place of the tier's own, which comes first."""
    inside.begin(settings)
    imports.after({f"{settings['package']}.srt.managers.scheduler": _watch})


def _watch(module: Any) -> None:
    original = module.Scheduler.run_batch
    done: set[str] = set()

    @functools.wraps(original)
    def run_batch(self: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        for request in batch.reqs if batch.forward_mode.is_decode() else ():
            is_due = request.rid.startswith(PREFIX) and len(request.output_ids) >= AFTER_TOKENS
            if is_due and request.rid not in done:
                done.add(request.rid)
                _overwrite(self, request)
                print(DONE, request.rid, flush=True)
        return original(self, batch, *args, **kwargs)

    module.Scheduler.run_batch = run_batch


def _overwrite(scheduler: Any, request: Any) -> None:
    first, end, seed = map(int, request.rid.split(".")[1:])
    row = scheduler.req_to_token_pool.req_to_token[request.kv.req_pool_idx]
    slots = row[: len(request.origin_input_ids)].long()
    for buffers, live in _pools(scheduler.token_to_kv_pool_allocator.get_kvcache(), slots):
        targets = [slot for position, slot in live.items() if first <= position < end]
        others = [slot for position, slot in live.items() if not first <= position < end]
        donors = random.Random(seed).choices(others, k=len(targets))
        for buffer in buffers:
            buffer[targets] = buffer[donors].clone()


def _pools(cache: Any, slots: Any) -> Iterator[tuple[list[Any], dict[int, int]]]:
    """Per pool its layers' buffers, and the slot of each position that it still holds."""
    if not hasattr(cache, "swa_kv_pool"):
        yield [*cache.k_buffer, *cache.v_buffer], dict(enumerate(slots.tolist()))
        return
    yield from _pools(cache.full_kv_pool, slots)
    in_window = cache.full_to_swa_index_mapping[slots]  # 0 where the token has left the window
    window = [*cache.swa_kv_pool.k_buffer, *cache.swa_kv_pool.v_buffer]
    yield window, {position: slot for position, slot in enumerate(in_window.tolist()) if slot > 0}

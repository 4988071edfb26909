"""Upstream's own translator of KV indices, in the releases that have one (since 0.5.19)."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from typing import Any

_MODULE = "sglang.srt.mem_cache.kv_index_translator"


def of_indices(rows: Any, cache: Any, allocator: Any, device: str = "cpu") -> dict[str, Any]:
    """What a model runner over these pools has for it: `kv_index_translator`, or nothing."""
    if importlib.util.find_spec(_MODULE) is None:
        return {}
    make = importlib.import_module(_MODULE).KVIndexTranslator
    facts: dict[str, Any] = dict(
        req_to_token=rows.req_to_token,
        token_to_kv_pool_allocator=allocator,
        token_to_kv_pool=cache,
        page_size=allocator.page_size,
        device=device,
    )
    asked = inspect.signature(make).parameters  # releases differ in how many of these they take
    return {"kv_index_translator": make(**{name: facts[name] for name in asked if name in facts})}

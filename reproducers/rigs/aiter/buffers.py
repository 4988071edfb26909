"""How large the aiter backend's own buffers have to be for the batches that upstream captures."""

from __future__ import annotations

from typing import Any

from harness.facts import KernelLab

POINTERS = ("kv_indptr", "qo_indptr", "mask_indptr", "qo_indptr_")
"""One entry per request and one more: what #22598 reallocates."""


UNIFIED_DECODE = "qo_indptr_unified_decode"
"""The same for unified attention's decode, which #22598 left alone."""
_DRAFT = {"mha": (), "mla": ("qo_indptr_",), "unified": (UNIFIED_DECODE,)}


def require_pointers(lab: KernelLab, backend: Any, requests: int, *, mode: str, attention: str) -> None:
    """Require the index pointers that a padded batch needs; of a draft's step, those of its own."""
    names = _DRAFT[attention] if mode == "draft_decode" else POINTERS
    unified = (UNIFIED_DECODE,) if (mode, attention) == ("decode", "unified") else ()
    for name in (*names, *unified):
        if hasattr(backend, name):
            lab.require(name, getattr(backend, name), needed=requests + 1)


def require_paged_decode(lab: KernelLab, backend: Any, *, pool_size: int, sequences: int) -> None:
    """What `forward_decode` hands to `paged_attention_ragged` whole, one share per decoded sequence.

    The workspace is made for as many sequences as the pool has rows, and grows with their number.
    """
    lab.require("kv_last_page_len", backend.kv_last_page_len, needed=sequences)
    workspace = getattr(backend, "workspace_buffer", None)
    if workspace is not None:
        lab.require("workspace_buffer", workspace, needed=workspace.numel() // pool_size * sequences)


def require_mask(lab: KernelLab, backend: Any, seq_lens: Any, draft_tokens: int) -> None:
    """The verify mask: for each request its draft tokens times all that they may look at."""
    mask = getattr(backend, "cuda_graph_custom_mask", None)
    if mask is not None:
        needed = sum(draft_tokens * (int(length) + draft_tokens) for length in seq_lens)
        lab.require("cuda_graph_custom_mask", mask, needed=needed)

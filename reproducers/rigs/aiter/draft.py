"""Upstream's multi-step draft backend for aiter, driven as the draft's CUDA-graph runner drives it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.facts import KernelLab
from reproducers.rigs.aiter import batch as aiter_batch
from reproducers.rigs.aiter import buffers as aiter_buffers
from reproducers.rigs.aiter import rig as aiter

MODE = "draft_decode"
STEPS = aiter.NUM_STEPS


@dataclass(frozen=True)
class Draft:
    """The draft's backend, which holds an AiterAttnBackend for every step but the last."""

    lab: KernelLab
    backend: Any
    req_to_token: Any
    allocator: Any
    topk: int

    @property
    def steps(self) -> Sequence[Any]:
        found: Sequence[Any] = self.backend.attn_backends
        return found

    @property
    def fill(self) -> int:
        """The length of a dummy request."""
        return int(self.steps[0].get_cuda_graph_seq_len_fill_value())


@contextmanager
def rig(
    lab: KernelLab, *, pool_size: int, context_len: int, page_size: int, topk: int, attention: str
) -> Iterator[Draft]:
    """The backend of a draft of `topk` branches, with rows that have room for the draft's pages."""
    room = context_len + topk * (STEPS + 2 * page_size)
    facts: dict[str, Any] = dict(context_len=context_len, page_size=page_size, attention=attention)
    with aiter.runner(lab, pool_size=pool_size, draft_tokens=aiter.DRAFT_TOKENS, room=room, **facts) as (
        runner,
        allocator,
    ):
        with lab.observe("construct"):
            backend = importlib.import_module(aiter.MODULE).AiterMultiStepDraftBackend(runner, topk, STEPS)
        yield Draft(lab, backend, runner.req_to_token_pool, allocator, topk)


def init_graph_state(draft: Draft, max_bs: int) -> None:
    """Every static buffer for `max_bs` requests of `topk` branches."""
    with draft.lab.observe("init_cuda_graph_state"):
        draft.backend.init_cuda_graph_state(max_bs, max_bs * draft.topk)


def require(draft: Draft, *, pool_size: int, max_bs: int, seq_lens: Sequence[int], attention: str) -> None:
    """What the buffers of the draft and of its steps have to hold for these requests."""
    branches = max_bs * draft.topk
    draft.lab.require("draft kv_indptr row", draft.backend.kv_indptr[0], needed=branches + 1)
    used = max(sum(seq_lens) * draft.topk + len(seq_lens) * draft.topk * step for step in range(1, STEPS + 1))
    draft.lab.require("draft kv_indices row", draft.backend.cuda_graph_kv_indices[0], needed=used)
    for step in draft.steps[:1]:  # all steps are sized alike
        aiter_buffers.require_pointers(draft.lab, step, max_bs, mode=MODE, attention=attention)
        if attention == "mha":
            aiter_buffers.require_paged_decode(draft.lab, step, pool_size=pool_size, sequences=branches)


def capture(draft: Draft, bs: int) -> None:
    """Metadata for capturing the draft of `bs` dummy requests."""
    with draft.lab.observe("capture"):
        _plan(draft, [0] * bs, [draft.fill] * bs, live=0, in_capture=True)


def replay(draft: Draft, rows: Sequence[int], seq_lens: Sequence[int], bs: int) -> None:
    """Metadata for replaying the draft of `bs` requests; missing ones are padded with the fill."""
    padding = bs - len(rows)
    with draft.lab.observe("replay"):
        lengths = [*seq_lens, *[draft.fill] * padding]
        _plan(draft, [*rows, *[0] * padding], lengths, live=len(rows), in_capture=False)


def _plan(draft: Draft, rows: Sequence[int], seq_lens: Sequence[int], *, live: int, in_capture: bool) -> None:
    import torch
    from sglang.srt.speculative.eagle_info import EagleDraftInput

    batch = aiter_batch.batch("decode", rows, seq_lens, draft.topk, EagleDraftInput())
    positions = torch.zeros(len(rows) * draft.topk, dtype=torch.int64)
    positions[: live * draft.topk] = torch.tensor(list(seq_lens[:live]), dtype=torch.int64).repeat_interleave(
        draft.topk
    )
    batch.positions = positions
    batch.req_to_token_pool = draft.req_to_token  # up to 0.5.12 the backend has none of its own
    aiter_batch.plan_draft(draft.backend, batch, in_capture=in_capture)

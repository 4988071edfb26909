"""The end of EAGLE's verify step: moving what was accepted of a tree to the front of its request."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from harness.facts import KernelLab
from reproducers.rigs import eagle
from reproducers.rigs.eagle import Rig, Tree

TOPK = 4
"""Branches of a tree; the move does not depend on how many."""


def rig(lab: KernelLab, *, num_steps: int, draft_tokens: int, page_size: int, seq_lens: Sequence[int]) -> Rig:
    """Pools and runner for these requests; a tree of num_steps + 1 tokens is a chain, of top-k 1."""
    tree = Tree(1 if draft_tokens == num_steps + 1 else TOPK, num_steps, draft_tokens)
    sizes = dict(page_size=page_size, max_bs=len(seq_lens), longest=max(seq_lens))
    return eagle.rig(lab, tree=tree, attention="triton", **sizes)


def verified_batch(rig: Rig, seq_lens: Sequence[int]) -> Any:
    """A schedule batch with a slot for every draft token, as verify leaves it in `out_cache_loc`."""
    import torch

    batch = eagle.admitted(rig, seq_lens, overlap=True)
    places = batch.seq_lens[:, None] + torch.arange(rig.tree.draft_tokens, device=rig.lab.device)
    rows = rig.req_to_token.req_to_token[batch.req_pool_indices.long()]
    batch.out_cache_loc = rows.gather(1, places.long()).flatten().to(torch.int64)
    return batch


def number_keys(rig: Rig, batch: Any) -> Callable[[], Any]:
    """Give the key of every draft token its number in its tree; returns how to read them back."""
    import torch

    keys = rig.runner.token_to_kv_pool.k_buffer[0]
    shape = (-1, rig.tree.draft_tokens)
    numbers = torch.arange(rig.tree.draft_tokens, dtype=keys.dtype, device=keys.device)
    numbers = numbers.repeat(len(batch.reqs))
    keys[batch.out_cache_loc] = numbers[:, None, None].expand(-1, *keys.shape[1:])
    return lambda: keys[batch.out_cache_loc][:, 0, 0].reshape(shape)


def move(rig: Rig, batch: Any, nodes: Sequence[Sequence[int]], accepted: Sequence[int]) -> None:
    """Move the KV of the accepted nodes, given by their numbers in each request's tree."""
    import torch

    index = torch.full((len(nodes), rig.tree.num_steps + 1), -1, dtype=torch.int32)
    for request, row in enumerate(nodes):
        index[request, : len(row)] = torch.tensor(row) + request * rig.tree.draft_tokens
    mover, of = _mover(rig)
    # Releases up to 0.5.11 want the token that verify itself adds counted, too.
    extra = 0 if "num_correct_drafts" in inspect.signature(of).parameters else 1
    counts = torch.tensor(accepted, dtype=torch.int32, device=rig.lab.device) + extra
    accept_index = rig.lab.given("accept_index", index)
    with rig.lab.observe("move"):
        mover(batch, accept_index, counts)


def _mover(rig: Rig) -> tuple[Callable[..., None], Callable[..., None]]:
    """Upstream's function, wherever a release keeps it: bound to this rig, and as it is."""
    functions: Any = importlib.import_module("sglang.srt.speculative.spec_utils")
    function = getattr(functions, "move_accept_tokens_to_target_kvcache", None)
    if function:  # from 0.5.14 on
        return lambda *asked: function(*asked, rig.allocator), function
    worker: Any = importlib.import_module("sglang.srt.speculative.eagle_worker_v2").EAGLEWorkerV2
    method = next(method for name, method in vars(worker).items() if name.startswith("move_accept"))
    itself = rig.lab.stand_in(
        "verify worker",
        device=rig.lab.device,
        speculative_num_draft_tokens=rig.tree.draft_tokens,
        req_to_token_pool=rig.req_to_token,
        token_to_kv_pool_allocator=rig.allocator,
    )
    return functools.partial(method, itself), method

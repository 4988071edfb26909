"""Upstream's Triton backend over a hybrid sliding-window pool, fed chunk by chunk as a scheduler does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.facts import KernelLab
from reproducers.rigs.swa import model as swa_model
from reproducers.rigs.swa import slots
from reproducers.rigs.swa.model import Sizes


@dataclass(frozen=True)
class Rig:
    """A deterministic backend, its pools and its layers."""

    lab: KernelLab
    sizes: Sizes
    backend: Any
    rows: Any
    allocator: Any
    layers: dict[str, Any]


@dataclass
class Request:
    """A request in the pools: `slots` are the full-pool slots of its tokens, in order.

    The tokens before `evicted` have given their slots of the window pool back.
    """

    row: int
    slots: Any
    evicted: int = 0

    @property
    def length(self) -> int:
        return len(self.slots)


@contextmanager
def rig(lab: KernelLab, sizes: Sizes) -> Iterator[Rig]:
    """The backend of a model with one sliding-window and one full attention layer."""
    lab.single_rank()
    with lab.configuration(**swa_model.server_facts(sizes)), lab.undivided():
        with lab.observe("construct"):
            made = swa_model.pools(sizes, lab.device)
            backend = _backend(swa_model.model_runner(lab, sizes, made))
        with swa_model.forwarding(backend):
            yield Rig(lab, sizes, backend, made.rows, made.allocator, swa_model.layers(sizes.window))


def _backend(runner: Any) -> Any:
    from sglang.srt.layers.attention.triton_backend import TritonAttnBackend

    return TritonAttnBackend(runner)


def admit(rig: Rig) -> Request:
    """A request without tokens in a row of its own."""
    import torch

    return Request(
        row=rig.rows.free_slots.pop(0), slots=torch.empty(0, dtype=torch.int64, device=rig.lab.device)
    )


def extend(rig: Rig, request: Request, length: int) -> Any:
    """Allocate `length` more tokens and prepare the backend for their forward pass; returns its batch."""
    import torch

    with rig.lab.observe("evict"):
        _evict(rig, request)
    with rig.lab.observe("allocate"):
        new = slots.extend(rig.allocator, request.slots, length, rig.lab.device)
    batch = _batch(rig, request, new)
    total = request.length + length
    rig.rows.write((request.row, slice(request.length, total)), new.to(rig.rows.req_to_token.dtype))
    request.slots = torch.cat([request.slots, new])
    with rig.lab.observe("metadata"):
        _plan(rig.backend, batch)
        rig.backend.init_forward_metadata(batch)
    return batch


def attend(rig: Rig, kind: str, batch: Any, q: Any, k: Any, v: Any) -> Any:
    """One layer's forward pass over the new tokens; q, k, v and the result are [tokens, heads, dimension]."""
    with rig.lab.observe(f"forward_extend {kind}"):
        return rig.layers[kind](q.flatten(1), k, v, batch).view(q.shape)


def finish(rig: Rig, request: Request) -> None:
    """Give back everything the request still holds."""
    with rig.lab.observe("finish"):
        give_back(rig.allocator, request)
    rig.rows.free_slots.append(request.row)


def give_back(allocator: Any, request: Request) -> None:
    """Free what a request still holds of both pools."""
    if not hasattr(allocator, "free_full"):
        allocator.free(request.slots)  # up to 0.5.18; skips by itself what has left the window
        return
    # Pool by pool, because both then sort the pages that they get back, as `free` did before and as
    # `swa_pages` follows it. By segments of a row, as schedulers free now, they come back in its order.
    allocator.free_swa(request.slots[request.evicted :])
    allocator.free_full(request.slots)


def translated(rig: Rig, slots: Any) -> Any:
    """The window pool's slots of full-pool slots."""
    return rig.allocator.full_to_swa_index_mapping[slots]


def _plan(backend: Any, batch: Any) -> None:
    """Translate the batch's write slots once, as `ForwardBatch.init_new` does in releases that plan them."""
    translator: Any = getattr(backend, "kv_index_translator", None)
    if hasattr(translator, "own_plan"):
        translator.own_plan(batch).bind(batch, translator)


def _evict(rig: Rig, request: Request) -> None:
    """Free the window pool's whole pages that no later query sees.

    The rule is that of upstream's scheduler for requests outside a prefix tree
    (`free_swa_out_of_window_slots` from 0.5.14 on).
    """
    page = rig.allocator.page_size
    end = max(request.evicted, (request.length - rig.sizes.window) // page * page)
    if end > request.evicted:
        rig.allocator.free_swa(request.slots[request.evicted : end])
        request.evicted = end


def _batch(rig: Rig, request: Request, new: Any) -> Any:
    import torch
    from sglang.srt.model_executor.forward_batch_info import ForwardBatch, ForwardMode

    prefix, length, device = request.length, len(new), rig.lab.device
    known = {field.name for field in dataclasses.fields(ForwardBatch)}
    # Up to 0.5.12.post1 the batch carries what the forward context and the backend do later.
    carried = {
        "req_to_token_pool": rig.rows,
        "token_to_kv_pool": rig.allocator.get_kvcache(),
        "attn_backend": rig.backend,
    }
    return ForwardBatch(
        forward_mode=ForwardMode.EXTEND,
        batch_size=1,
        input_ids=torch.zeros(length, dtype=torch.int64, device=device),
        req_pool_indices=torch.tensor([request.row], dtype=torch.int64, device=device),
        seq_lens=torch.tensor([prefix + length], dtype=torch.int64, device=device),
        seq_lens_cpu=torch.tensor([prefix + length], dtype=torch.int64),
        seq_lens_sum=prefix + length,
        out_cache_loc=new,
        extend_num_tokens=length,
        extend_seq_lens=torch.tensor([length], dtype=torch.int32, device=device),
        extend_seq_lens_cpu=[length],
        extend_prefix_lens=torch.tensor([prefix], dtype=torch.int32, device=device),
        extend_prefix_lens_cpu=[prefix],
        extend_start_loc=torch.zeros(1, dtype=torch.int32, device=device),
        **{name: value for name, value in carried.items() if name in known},
    )

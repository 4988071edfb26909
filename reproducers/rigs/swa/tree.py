"""Requests on their way through upstream's unified radix tree over pools with a sliding window."""

from __future__ import annotations

import importlib
import inspect
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.facts import KernelLab
from reproducers.rigs.arguments import publish
from reproducers.rigs.swa import model as swa_model
from reproducers.rigs.swa.model import Sizes

TREE = "sglang.srt.mem_cache.unified_radix_cache"
IMPORTS = ("sglang.srt.managers.schedule_batch", TREE)
AHEAD = ("sglang.srt.layers.sampler", "sglang.srt.arg_groups.pipeline")
"""What single ranks take from 0.5.20 on."""
SWITCHES = {
    "SGLANG_OPT_UNIFIED_CACHE_FREE_OUT_OF_WINDOW_SLOTS": "1",  # by default from 0.5.18 on
    "SGLANG_OPT_SWA_EVICT_DROP_PAGE_MARGIN": "1",  # of 0.5.14; later releases have no margin to drop
    "SGLANG_UNIFIED_RADIX_TREE_CORE_BACKEND": "python",  # native code by default from 0.5.23 on
}
_VOCABULARY = 256
_SAMPLED = 0
"""The token that every step is said to have sampled."""


@dataclass(frozen=True)
class Rig:
    """The tree, and the pools whose slots it keeps."""

    lab: KernelLab
    sizes: Sizes
    rows: Any
    allocator: Any
    tree: Any


@dataclass(frozen=True)
class Running:
    """A request that has been prefilled, and its batch."""

    request: Any
    batch: Any


@contextmanager
def rig(lab: KernelLab, sizes: Sizes, *, eagle: bool = False) -> Iterator[Rig]:
    """A tree with a full and a sliding-window component; `eagle` makes its keys pairs of tokens."""
    publish(lab, page_size=sizes.page_size, attention_backend="triton")
    with lab.environment(**SWITCHES), lab.undivided():
        made = swa_model.pools(sizes, lab.device)
        yield Rig(lab, sizes, made.rows, made.allocator, _tree(made, sizes, eagle))


def _tree(made: Any, sizes: Sizes, eagle: bool) -> Any:
    from sglang.srt.mem_cache.cache_init_params import CacheInitParams

    module: Any = importlib.import_module(TREE)
    params = CacheInitParams(
        disable=False,
        req_to_token_pool=made.rows,
        token_to_kv_pool_allocator=made.allocator,
        page_size=sizes.page_size,
        is_eagle=eagle,
        sliding_window_size=sizes.window,
        tree_components=(module.ComponentType.FULL, module.ComponentType.SWA),
    )
    return module.UnifiedRadixCache(params)


def prefill(rig: Rig, prompt: Sequence[int], *, chunk: int) -> Running:
    """Compute a prompt in chunks, and let the tree keep what it can of each."""
    request = _request(prompt)
    for end in [*range(chunk, len(prompt), chunk), len(prompt)]:
        with rig.lab.observe("prefill"):
            batch = _extend(rig, request, end, first=end <= chunk)
        if last := end == len(prompt):
            request.output_ids.append(_SAMPLED)
        with rig.lab.observe("keep"):
            _keep(rig, request, chunked=not last)
    return Running(request, batch)


def decode(rig: Rig, running: Running) -> None:
    """One more token."""
    import torch

    if hasattr(running.batch, "output_ids"):  # up to 0.5.12.post1 the last step's tokens
        running.batch.output_ids = torch.tensor([_SAMPLED], device=rig.lab.device)
    with rig.lab.observe("decode"):
        running.batch.prepare_for_decode()
    running.request.output_ids.append(_SAMPLED)


def finish(rig: Rig, running: Running) -> None:
    """Hand everything over to the tree, or back to the pools."""
    release: Any = importlib.import_module("sglang.srt.mem_cache.common").release_kv_cache
    keeping = {"checkpoint": True} if "checkpoint" in inspect.signature(release).parameters else {}
    with rig.lab.observe("finish"):
        release(running.request, rig.tree, **keeping)


def matched(rig: Rig, prompt: Sequence[int]) -> int:
    """How many tokens of this prompt another request would not have to compute."""
    request = _request(prompt)
    with rig.lab.observe("match"):
        request.init_next_round_input(rig.tree)
    return _held(request)


def _held(request: Any) -> int:
    """How many tokens of the request the tree has found."""
    return int(request.prefix_len) if hasattr(request, "prefix_len") else len(request.prefix_indices)


def _request(prompt: Sequence[int]) -> Any:
    from sglang.srt.managers.schedule_batch import Req
    from sglang.srt.sampling.sampling_params import SamplingParams

    takes_array = "array" in str(inspect.signature(Req).parameters["origin_input_ids"].annotation)
    tokens = array("q", prompt) if takes_array else list(prompt)  # up to 0.5.13.post1
    return Req("request", "", tokens, SamplingParams(max_new_tokens=1))


def _extend(rig: Rig, request: Any, end: int, *, first: bool) -> Any:
    """The batch that computes the prompt up to `end`, behind what the request holds already."""
    from sglang.srt.managers.schedule_batch import ScheduleBatch
    from sglang.srt.speculative.spec_info import SpeculativeAlgorithm

    request.init_next_round_input(*([rig.tree] if first else []))  # later chunks hold what was kept of it
    _decide(request, end)
    if first:
        _lock(rig, request)
    facts = dict(is_encoder_decoder=False, is_matryoshka=False, vocab_size=_VOCABULARY)
    config = rig.lab.stand_in("model_config", **facts)
    algorithm = SpeculativeAlgorithm.from_string(None)
    batch = ScheduleBatch.init_new([request], rig.rows, rig.allocator, rig.tree, config, False, algorithm)
    batch.prepare_for_extend()
    return batch


def _decide(request: Any, end: int) -> None:
    """What the scheduler's policy decides: how far this round goes."""
    if hasattr(request, "set_extend_range"):
        request.set_extend_range(_held(request), end)
    elif hasattr(request, "set_extend_input_len"):  # up to 0.5.14
        request.fill_len = end
        request.set_extend_input_len(end - _held(request))
    else:
        request.extend_end = end


def _lock(rig: Rig, request: Any) -> None:
    """Hold what the request's prefix needs, as the policy does when it admits one."""
    from sglang.srt.managers.schedule_policy import PrefillAdder

    if hasattr(rig.tree, "lock"):  # from 0.5.2x on
        request.lock = rig.tree.lock(request.last_node)
        return
    policy = rig.lab.stand_in("policy", tree_cache=rig.tree, is_hybrid_swa=True)
    PrefillAdder._req_inc_lock_ref(policy, request)


def _keep(rig: Rig, request: Any, *, chunked: bool) -> None:
    common: Any = importlib.import_module("sglang.srt.mem_cache.common")
    if hasattr(common, "checkpoint_kv_cache"):
        common.checkpoint_kv_cache(request, rig.tree)
        return
    common.maybe_cache_unfinished_req(request, rig.tree, chunked=chunked)


class Counted(NamedTuple):
    """How many slots of each pool there are."""

    full: int
    window: int


def accounted(rig: Rig) -> Counted:
    """The slots that are free or kept, as upstream counts them to find a leak."""
    tree, allocator = rig.tree, rig.allocator
    full = allocator.full_available_size() + tree.full_evictable_size() + tree.full_protected_size()
    window = allocator.swa_available_size() + tree.swa_evictable_size() + tree.swa_protected_size()
    return Counted(full, window)

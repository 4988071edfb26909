"""Upstream's multi-step draft back ends as far as they lay out the KV indices of a draft.

The attention of each step is left out: nothing here computes any, and FlashInfer need not be installed.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import BadInput
from harness.facts import KernelLab
from reproducers.rigs import eagle
from reproducers.rigs.eagle import Tree

_FOLDER = "sglang.srt.layers.attention"
BACKENDS = {
    "flashinfer": (f"{_FOLDER}.flashinfer_backend", "FlashInferMultiStepDraftBackend"),
    "flashinfer_mla": (f"{_FOLDER}.flashinfer_mla_backend", "FlashInferMLAMultiStepDraftBackend"),
    "triton": (f"{_FOLDER}.triton_backend", "TritonMultiStepDraftBackend"),
}
"""The classes by their attention, each with its module."""
IMPORTS = (*eagle.IMPORTS, *(module for module, _ in BACKENDS.values()))
BUFFERS = ("cuda_graph_kv_indices", "kv_indices_buffer")
"""What holds the KV indices: a graph's, and a batch's own."""


def used(topk: int, num_steps: int, seq_lens: Sequence[int]) -> int:
    """How many KV indices the last step has: all tokens of each branch, the drafted ones among them."""
    return topk * sum(length + num_steps for length in seq_lens)


@dataclass(frozen=True)
class Draft:
    """A back end of this many requests at most; `made` is its class, `itself` what its methods are given."""

    rig: eagle.Rig
    max_bs: int
    made: Any
    itself: Any

    def replay(self, seq_lens: Sequence[int]) -> list[Any]:
        """Fill the buffer of a graph of `max_bs` requests; the KV indices of each step but the last."""
        batch = eagle.draft_batch(self.rig, seq_lens)
        seen: list[Any] = []
        with self.rig.lab.observe("init_cuda_graph_state"), _on(self.rig.lab.device):
            self.made.init_cuda_graph_state(self.itself, self.max_bs, self.max_bs * self.rig.tree.topk)
        with self.rig.lab.observe("replay"):
            self.itself.common_template(batch, self.itself.cuda_graph_kv_indices, _noting(seen))
        return seen

    def plan(self, seq_lens: Sequence[int]) -> list[Any]:
        """Fill a buffer of the batch's own; the KV indices of each step but the last."""
        batch = eagle.draft_batch(self.rig, seq_lens)
        seen: list[Any] = []
        for number, step in enumerate(self.itself.attn_backends):
            step.init_forward_metadata = functools.partial(_noting(seen), number)
        with self.rig.lab.observe("init_forward_metadata"), _on(self.rig.lab.device):
            self.made.init_forward_metadata(self.itself, batch)
        return seen


def rig(
    lab: KernelLab,
    attention: str,
    *,
    topk: int,
    num_steps: int,
    page_size: int,
    context_len: int,
    max_bs: int,
) -> Draft:
    """The back end of this attention, for drafts of `topk` branches."""
    tree = Tree(topk, num_steps, draft_tokens=topk * num_steps)
    args = eagle.arguments(lab, tree, page_size, max_bs, "triton")
    room = context_len + 2 * tree.slots(page_size)  # upstream reserves for two drafts at once
    made = eagle.rig_of(lab, tree, args, context_len=context_len, row_len=room, rows=max_bs)
    module, name = BACKENDS[attention]
    cls = getattr(importlib.import_module(module), name)
    return Draft(made, max_bs, cls, _itself(lab, made, cls, context_len))


def refuse(num_steps: int, context_len: int, max_bs: int, seq_lens: Sequence[int]) -> None:
    """Refuse sizes that such a back end does not take, and requests that it has no room for."""
    if len(seq_lens) > max_bs:
        raise BadInput(f"seq_lens: {len(seq_lens)} requests are more than max_bs {max_bs}: raise it")
    if max(seq_lens) > context_len:
        raise BadInput(f"seq_lens: {max(seq_lens)} is more than context_len {context_len}: lower it")
    if num_steps < 2:
        raise BadInput("num_steps: a draft of one step has no attention: give 2 or more")


def _itself(lab: KernelLab, made: eagle.Rig, cls: Any, context_len: int) -> Any:
    """What a back end knows of its model runner, with steps that do nothing."""
    import torch

    tree, rows = made.tree, made.req_to_token
    indptr = torch.zeros(tree.num_steps, rows.size * tree.topk + 1, dtype=torch.int32, device=lab.device)
    itself = lab.stand_in(
        "draft back end",
        topk=tree.topk,
        speculative_num_steps=tree.num_steps,
        generate_draft_decode_kv_indices=_kernel(),
        page_size=made.page_size,
        device=lab.device,
        kv_indptr=indptr,
        attn_backends=[_step(lab) for _ in range(tree.num_steps - 1)],
        max_context_len=context_len,
        pool_len=rows.req_to_token.shape[1],
        req_to_token_pool=rows,
        kv_index_translator=vars(made.runner).get("kv_index_translator"),  # from 0.5.22 on
        draft_window_size=0,
        draft_sink_size=0,
        window_rail=False,
        cuda_graph_window_kv_indices=None,
    )
    for name in {"common_template", "_step_writes"} & set(vars(cls)):
        setattr(itself, name, functools.partial(getattr(cls, name), itself))
    return itself


def _step(lab: KernelLab) -> Any:
    return lab.stand_in(
        "step", max_kv_splits=1, use_sliding_window_kv_pool=False, init_cuda_graph_state=_nothing
    )


def _kernel() -> Any:
    return importlib.import_module("sglang.srt.speculative.spec_utils").generate_draft_decode_kv_indices


def _noting(seen: list[Any]) -> Callable[[int, Any], None]:
    return lambda step, batch: seen.append(batch.spec_info.kv_indices)


def _on(device: str) -> Any:
    """FlashInfer's buffers name the device `cuda`, whatever the runner's is."""
    from torch.overrides import TorchFunctionMode

    class OnDevice(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            asked = dict(kwargs or {})
            if asked.get("device") == "cuda":
                asked["device"] = device
            return function(*args, **asked)

    return OnDevice()


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None

"""Upstream's FA3 multi-step draft backend, driven by its real draft CUDA-graph runner without a graph.

The runner sizes the static buffers, plans the metadata of every captured shape, pads a batch and
plans the metadata of every replay. Only the graph itself, which a device would record and play
back in between, is left out: nothing here computes attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.facts import KernelLab
from reproducers.rigs import eagle
from reproducers.rigs.eagle import Rig, Tree

MODULE = "sglang.srt.layers.attention.flashattention_backend"
LIBRARY = "sgl_kernel"


def rig(lab: KernelLab, *, topk: int, num_steps: int, page_size: int, max_bs: int, longest: int) -> Rig:
    """The draft's pools and runner for FA3 attention."""
    facts = dict(page_size=page_size, max_bs=max_bs, longest=longest)
    return eagle.rig(lab, tree=Tree(topk, num_steps, draft_tokens=topk * num_steps), attention="fa3", **facts)


def backend(rig: Rig) -> Any:
    """The draft's backend: one FlashAttentionBackend for every step but the last."""
    from sglang.srt.layers.attention.flashattention_backend import FlashAttentionMultiStepBackend

    with rig.lab.observe("construct"):
        return FlashAttentionMultiStepBackend(rig.runner, rig.tree.topk, rig.tree.num_steps)


def captured(rig: Rig, backend: Any) -> Any:
    """The draft's graph runner after its start: buffers sized, every shape's metadata planned."""
    rig.runner.draft_attn_backend = backend
    worker = rig.lab.stand_in(
        "draft worker",
        draft_runner=rig.runner,
        speculative_algorithm=rig.runner.spec_algorithm,
        seed_dsa_topk_from_draft_extend=False,
    )
    with rig.lab.observe("capture"):
        return _without_graph(rig.lab)(worker)


def _without_graph(lab: KernelLab) -> Any:
    """The draft's graph runner, with graphs that record and replay nothing."""
    import torch
    from sglang.srt.speculative.eagle_draft_cuda_graph_runner import EAGLEDraftCudaGraphRunner

    nothing = torch.empty(0, device=lab.device)

    class WithoutGraph(EAGLEDraftCudaGraphRunner):  # type: ignore[misc]  # upstream is not typed
        def capture(self) -> None:
            self.stream = None
            self.backend = lab.stand_in("graph backend", capture_one=_nothing)
            name = "capture_one_shape" if hasattr(self, "capture_one_shape") else "capture_one_batch_size"
            self.output_buffers = dict.fromkeys(self.capture_bs, (nothing,) * 3)
            for size in reversed(self.capture_bs):
                getattr(self, name)(size, _nothing)

        def _replay_graph(self, *args: Any, **kwargs: Any) -> Any:
            return (nothing,) * 4

        # Up to 0.5.13 the runner records and replays by itself.

        def _create_graph(self) -> Any:
            return lab.stand_in("graph", pool=_nothing)

        def _capture_init(self, run_once: Any) -> None: ...

        def _capture_graph(self, *args: Any) -> None: ...

        def _replay(self, forward_batch: Any) -> None: ...

    return WithoutGraph


def replay(rig: Rig, runner: Any, seq_lens: Sequence[int]) -> Any:
    """Plan the replay of one draft, as the runner does before its graph starts; returns the batch."""
    batch = eagle.draft_batch(rig, seq_lens)
    with rig.lab.observe("replay"):
        (runner.execute if hasattr(runner, "execute") else runner.replay)(batch)
    return batch


def expanded(backend: Any, max_bs: int) -> Any:
    """The metadata of one step's draft tokens in the graph of `max_bs` requests.

    `page_table` is int32 [max_bs * topk, step + 2], `cache_seqlens_int32` int32 [max_bs * topk].
    """
    return backend.draft_decode_metadata_topk_expand[max_bs]


def layout(rig: Rig, batch: Any, metadata: Any) -> dict[str, Any]:
    """What a step's draft attention reads: lengths, and the live pages by their place in the request.

    Page n of a request holds its KV indices from n * page_size on. These places are the same in every
    release; the pages of the pool are not. -1 stands for a page of another request.
    """
    lengths = metadata.cache_seqlens_int32.tolist()
    places = [_places(rig, row) for row in batch.req_pool_indices.tolist()]
    pages = []
    for number, row in enumerate(metadata.page_table.tolist()[: len(places) * rig.tree.topk]):
        live = -(-lengths[number] // rig.page_size)
        pages.append([places[number // rig.tree.topk].get(page, -1) for page in row[:live]])
    return {"cache_seqlens": lengths, "pages": pages}


def _places(rig: Rig, row: int) -> dict[int, int]:
    """Of the pages in a request's row of KV indices, which place each has there."""
    first = rig.req_to_token.req_to_token[row, :: rig.page_size].tolist()
    return {index // rig.page_size: place for place, index in enumerate(first) if index}


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None

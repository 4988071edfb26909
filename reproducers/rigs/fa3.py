"""Upstream's FA3 multi-step draft backend, driven by its real draft CUDA-graph runner without a graph.

The runner sizes the static buffers, plans the metadata of every captured shape, pads a batch and
plans the metadata of every replay. Only the graph itself, which a device would record and play
back in between, is left out: nothing here computes attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reproducers.rigs import eagle
from reproducers.rigs.eagle import Rig, Tree

MODULE = "sglang.srt.layers.attention.flashattention_backend"
LIBRARY = "sgl_kernel"


def rig(lab: Any, *, topk: int, num_steps: int, page_size: int, max_bs: int, context_len: int) -> Rig:
    """The draft's pools and runner for FA3 attention."""
    facts = dict(page_size=page_size, max_bs=max_bs, context_len=context_len)
    return eagle.rig(lab, tree=Tree(topk, num_steps), attention="fa3", **facts)


def backend(rig: Rig) -> Any:
    """The draft's backend: one FlashAttentionBackend for every step but the last."""
    from sglang.srt.layers.attention.flashattention_backend import FlashAttentionMultiStepBackend

    with rig.lab.observe("construct"):
        return FlashAttentionMultiStepBackend(rig.runner, rig.tree.topk, rig.tree.num_steps)


def captured(rig: Rig, backend: Any) -> Any:
    """The draft's graph runner after its start: buffers sized, every shape's metadata planned."""
    from sglang.srt.speculative.eagle_draft_cuda_graph_runner import EAGLEDraftCudaGraphRunner

    class WithoutGraph(EAGLEDraftCudaGraphRunner):
        """The runner with a graph that records and replays nothing."""

        def capture(self) -> None:
            self.backend = rig.lab.stand_in("graph", capture_one=_nothing, replay=_nothing)
            for size in reversed(self.capture_bs):
                self.capture_one_shape(size, _nothing)

        def _replay_graph(self, *args: Any, **kwargs: Any) -> tuple[None, ...]:
            return (None, None, None, None)

    worker = rig.lab.stand_in(
        "draft worker", draft_runner=rig.runner, seed_dsa_topk_from_draft_extend=False
    )
    with rig.lab.observe("capture"):
        return WithoutGraph(worker, draft_attn_backend=backend)


def replay(rig: Rig, runner: Any, seq_lens: Sequence[int]) -> None:
    """Plan the replay of one draft of these requests, as the runner does before its graph starts."""
    batch = eagle.draft_batch(rig, seq_lens)
    with rig.lab.observe("replay"):
        runner.execute(batch)


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None

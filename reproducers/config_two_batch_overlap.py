"""Two-batch overlap over data-parallel attention, with padded batches.

Two ranks share five requests, so that one of them decodes two and is padded to the other's three; on a
GPU both are padded to the four of a captured graph. Each batch is cut in two and each half planned by an
attention backend of its own. Nothing is really overlapped: without an expert-parallel back end no
upstream model has two-batch operations that start (docs/gpu.md), so each batch is computed whole.
"""

from harness.facts import Configuration
from reproducers.rigs.servers import MEMORY, TWO_RANKS, served, two_batch_traffic

CONFIGURATION = Configuration(
    requires=frozenset({"torch", "triton"}),
    enters=(
        "TboForwardBatchPreparer.filter_batch",
        "TboAttnBackend._dispatch_children_from_replay_view",
    ),
    server=served(
        "tiny-qwen3",
        ranks=2,
        flags={
            "attention-backend": "triton",
            "page-size": "16",
            "dp-size": "2",
            "enable-dp-attention": "",
            "enable-two-batch-overlap": "",
            "disable-custom-all-reduce": "",
        },
        environment=TWO_RANKS,
        traffic=two_batch_traffic(requests=5, output_tokens=8),
        watch=MEMORY,
        ready_seconds=200.0,
    ),
)

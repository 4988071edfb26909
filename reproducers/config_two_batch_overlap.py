"""Two-batch overlap over data-parallel attention, with padded batches.

Two ranks share five requests, so that one of them decodes two and is padded to the other's three; on a
GPU both are padded to the four of a captured graph. Each batch is cut in two and each half planned by an
attention backend of its own. Nothing is really overlapped: without an expert-parallel back end no
upstream model has two-batch operations that start (docs/gpu.md), so each batch is computed whole.
"""

from harness.facts import Configuration, ServerCase, Traffic
from reproducers.rigs.servers import COARSER, COMMON, FLOAT32, HOSTS, MEMORY

CONFIGURATION = Configuration(
    requires=frozenset({"torch", "triton"}),
    enters=(
        "TboForwardBatchPreparer.filter_batch",
        "TboAttnBackend._dispatch_children_from_replay_view",
    ),
    server=ServerCase(
        model="tiny-qwen3",
        ranks=2,
        flags={
            **COMMON,
            "attention-backend": "triton",
            "page-size": "16",
            "dp-size": "2",
            "enable-dp-attention": "",
            "enable-two-batch-overlap": "",
            "disable-custom-all-reduce": "",
        },
        on=HOSTS,
        environment={
            "SGLANG_TBO_DEBUG": "1",  # the log says where each batch was cut
            "SGLANG_CPU_OMP_THREADS_BIND": "0|1",  # two ranks on one memory node have to be told apart
            "NCCL_NVLS_ENABLE": "0",  # no multicast: two ranks gain nothing from it
        },
        # With log-probabilities asked for, 0.5.15 ends in `filter_batch`: docs/findings.md.
        traffic=Traffic(
            seed=22598, requests=5, prompt_tokens=(5, 60), output_tokens=8, concurrency=5, logprobs=False
        ),
        watch=MEMORY,
        tolerance=FLOAT32,
        coarser=COARSER,
        ready_seconds=200.0,
    ),
)

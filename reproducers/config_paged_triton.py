"""Triton attention with pages of 16 tokens: the plain control.

It reproduces no bug. A tree on which this configuration does not start, does not answer as the
float64 reference, or strays, has a problem that no reproducer covers.
"""

from harness.facts import Configuration, ServerCase, Traffic
from reproducers.rigs.servers import COARSER, COMMON, FLOAT32, HOSTS, MEMORY

CONFIGURATION = Configuration(
    requires=frozenset({"torch", "triton"}),
    enters=("TritonAttnBackend.init_forward_metadata",),
    server=ServerCase(
        model="tiny-llama",
        flags={**COMMON, "attention-backend": "triton", "page-size": "16"},
        on=HOSTS,
        traffic=Traffic(
            seed=16,
            requests=4,
            prompt_tokens=(5, 60),
            output_tokens=5,
            concurrency=4,
            shared_prefix=4,
            alone=1,
            stream="some",
            endpoint="both",
        ),
        watch=MEMORY,
        tolerance=FLOAT32,
        coarser=COARSER,
    ),
)

"""Triton attention with pages of 16 tokens: the plain control.

It reproduces no bug. A tree on which this configuration does not start, does not answer as the
float64 reference, or strays, has a problem that no reproducer covers.
"""

from harness.facts import Configuration, ServerCase
from reproducers.rigs.servers import COARSER, COMMON, FLOAT32, HOSTS, MEMORY, paged_traffic

CONFIGURATION = Configuration(
    requires=frozenset({"torch", "triton"}),
    enters=("TritonAttnBackend.init_forward_metadata",),
    server=ServerCase(
        model="tiny-llama",
        flags={**COMMON, "attention-backend": "triton", "page-size": "16"},
        on=HOSTS,
        traffic=paged_traffic(),
        watch=MEMORY,
        tolerance=FLOAT32,
        coarser=COARSER,
    ),
)

"""Triton attention with pages of 16 tokens: the plain control.

It reproduces no bug. A tree on which this configuration does not start, does not answer as the
float64 reference, or strays, has a problem that no reproducer covers.
"""

from harness.facts import Configuration
from reproducers.rigs.servers import MEMORY, paged_traffic, served

CONFIGURATION = Configuration(
    requires=frozenset({"torch", "triton"}),
    enters=("TritonAttnBackend.init_forward_metadata",),
    server=served(
        "tiny-llama",
        flags={"attention-backend": "triton", "page-size": "16"},
        traffic=paged_traffic(),
        watch=MEMORY,
    ),
)

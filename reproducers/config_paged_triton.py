"""Triton attention with pages of 16 tokens: the plain control.

Nothing here was ever a bug of its own. A tree on which this configuration does not start, answers
something else than the float64 reference, or strays, has a problem that no reproducer is about.
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

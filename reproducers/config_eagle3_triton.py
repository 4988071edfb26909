"""EAGLE3 with a tree of top-k 8 on Triton attention, with pages of 2 and of 16 tokens.

The target verifies a tree of draft tokens each step; what is accepted moves to the front of its
request. Whatever the draft proposes, the answers are the target's own: they must be the float64
reference's greedy tokens.
"""

from harness.facts import Configuration, Grid, Integer
from reproducers.rigs.servers import EAGLE3, MEMORY, eagle_traffic, served

CONFIGURATION = Configuration(
    requires=frozenset({"torch", "triton"}),
    enters=("EAGLEWorkerV2.verify", "EAGLEWorker.verify"),
    server=served(
        "tiny-llama-eagle3",
        flags={**EAGLE3, "attention-backend": "triton", "page-size": "{page_size}"},
        params={"page_size": Integer(16)},
        grid=Grid(page_size=[2, 16]),
        traffic=eagle_traffic(8),
        watch=MEMORY,
    ),
)

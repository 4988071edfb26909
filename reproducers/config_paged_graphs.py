"""Triton attention with pages of 16 tokens, decoding in CUDA graphs that a CPU records and replays.

The load is `config_paged_triton`'s, and so are the answers. Batches of one request are padded to two, and
those of three and four to six, so that every step runs in a graph. On a GPU that configuration itself
runs in graphs, as upstream serves there; this one is for machines without.
"""

from harness.facts import Configuration, CpuGraphs
from reproducers.rigs.servers import MEMORY, paged_traffic, served, with_graphs

CONFIGURATION = Configuration(
    requires=frozenset({"torch", "triton"}),
    enters=("DecodeCudaGraphRunner.execute", "CudaGraphRunner.replay"),
    server=served(
        "tiny-llama",
        requires=frozenset({"cpu-servers"}),
        flags={"attention-backend": "triton", "page-size": "16"},
        on=with_graphs(),
        graphs=CpuGraphs(sizes=(2, 6)),
        traffic=paged_traffic(),
        watch=MEMORY,
    ),
)

"""CUDA graphs on the CPU: what a region does is recorded once, and runs again on the same memory."""

from harness.memory.graphs.cudagraph import CUDAGraph, graph, graph_pool_handle, native
from harness.memory.graphs.host import on_host
from harness.memory.graphs.installation import EMULATED, install
from harness.memory.graphs.stage import capturing, refuse

__all__ = [
    "EMULATED",
    "CUDAGraph",
    "capturing",
    "graph",
    "graph_pool_handle",
    "install",
    "native",
    "on_host",
    "refuse",
]

"""What a server's processes are told about CUDA graphs on a machine that has none.

Upstream asks torch for streams, and chooses its graph runners by the device's name.
Each answer is put in place where it is asked for, and named in the attestation. What a graph is,
`harness.memory.graphs` says.
"""

from harness.host.graphs.answers import answer
from harness.host.graphs.sizes import arguments, spelt, without_prefill

__all__ = ["answer", "arguments", "spelt", "without_prefill"]

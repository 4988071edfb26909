"""What the servers of all cases have in common: small pools, nothing sampled, one seed; and the loads."""

from __future__ import annotations

from collections.abc import Mapping

from harness.facts import Tolerance, Traffic, Watch, watch

Flags = Mapping[str, str]

COMMON: Flags = {
    "max-total-tokens": "4096",
    "max-running-requests": "8",
    "sampling-backend": "pytorch",
    "grammar-backend": "none",
    "random-seed": "1",
    "skip-server-warmup": "",
    "watchdog-timeout": "600",
    "triton-attention-num-kv-splits": "2",
}
"""Pinned, so that no value depends on the machine's memory or processors."""

_GRAPHS: Flags = {"mem-fraction-static": "0.2", "cuda-graph-max-bs": "16"}
HOSTS: Mapping[str, Flags] = {
    "cpu": {
        "device": "cpu",
        "dtype": "float32",
        "disable-cuda-graph": "",
        "context-length": "512",  # deterministic decode launches a program for every 256 tokens of it
        "sleep-on-idle": "",  # a scheduler without requests takes a whole core otherwise
    },
    "cuda": _GRAPHS,
    "rocm": _GRAPHS,
}
"""What each kind of machine needs beside that."""

EAGLE3: Flags = {
    "speculative-algorithm": "EAGLE3",
    "speculative-num-steps": "3",
    "speculative-eagle-topk": "8",
    "speculative-num-draft-tokens": "8",
}
"""A tree of eight branches, of which a step accepts at most four tokens."""

MEMORY: Watch = watch("oob-read", "oob-write", "index-range", "wrong-value", "nan", "leak")

FLOAT32 = Tolerance(
    absolute=2e-3,
    relative=1e-3,
    reason="float32 on the CPU, its sums in another order than the reference's",
)
COARSER: Mapping[str, Tolerance] = {
    "float16": Tolerance(absolute=0.05, relative=0.02, reason="float16 keeps 11 bits of every activation"),
    "bfloat16": Tolerance(
        absolute=0.4, relative=0.1, reason="bfloat16 keeps 8 bits: up to 0.11 apart on an H200"
    ),
}
"""What devices compute in."""


def eagle_traffic(seed: int) -> Traffic:
    """A load that a speculative server in the interpreter answers within a minute."""
    return Traffic(seed=seed, requests=2, prompt_tokens=(5, 40), output_tokens=6, concurrency=2)

"""What the servers of all cases have in common: small pools, nothing sampled, one seed; and the loads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.facts import Launch, ServerCase, Tolerance, Traffic, Watch, watch

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

_GRAPHS: Flags = {"mem-fraction-static": "0.2", "cuda-graph-max-bs-decode": "16"}
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


def with_graphs(**cpu: str) -> Mapping[str, Flags]:
    """The same for a case whose graphs a CPU records; `cpu` are further flags there."""
    own = {name: value for name, value in HOSTS["cpu"].items() if name != "disable-cuda-graph"}
    return {**HOSTS, "cpu": {**own, **{name.replace("_", "-"): value for name, value in cpu.items()}}}


_AITER_ALONE = "the nearest there is: aiter is for AMD, so the bug cannot show"


def on_both(flags: Flags, environment: Flags | None = None) -> tuple[Launch, ...]:
    """The report's server with the same flags on either vendor's devices."""
    own = environment or {}
    return tuple(Launch(platform=vendor, flags=flags, environment=own) for vendor in ("cuda", "rocm"))


def on_cuda(flags: Flags, *, rocm: Flags | None = None, note: str) -> tuple[Launch, ...]:
    """The report's server on NVIDIA's, and the nearest to it on AMD's, with the same flags unless told."""
    other = Launch(platform="rocm", flags=flags if rocm is None else rocm, note=note)
    return Launch(platform="cuda", flags=flags), other


def on_rocm(
    flags: Flags, *, cuda: Flags | None = None, environment: Flags | None = None, note: str = _AITER_ALONE
) -> tuple[Launch, ...]:
    """The report's server on AMD's, and the nearest to it on NVIDIA's: the same on Triton unless told."""
    nearest = {**flags, "attention-backend": "triton"} if cuda is None else cuda
    own = Launch(platform="rocm", flags=flags, environment=environment or {})
    return own, Launch(platform="cuda", flags=nearest, note=note)


def random_load(tokens_in: int, tokens_out: int, *, prompts: int, at_once: int) -> str:
    """The client's command for prompts of random tokens."""
    load = f"--random-input-len {tokens_in} --random-output-len {tokens_out} --num-prompts {prompts}"
    bench = "python3 -m sglang.bench_serving --backend sglang --dataset-name random"
    return f"{bench} {load} --max-concurrency {at_once}"


def one_request(body: str) -> str:
    """The client's command for one request, whose body is given as a shell has it."""
    return f"curl http://localhost:30000/generate -H 'Content-Type: application/json' -d {body}"


EAGLE3: Flags = {
    "speculative-algorithm": "EAGLE3",
    "speculative-num-steps": "3",
    "speculative-eagle-topk": "8",
    "speculative-num-draft-tokens": "8",
}
"""A tree of eight branches, of which a step accepts at most four tokens."""

LLAMA_DRAFT: Flags = {"speculative-draft-model-path": "lmsys/sglang-EAGLE3-LLaMA3.1-Instruct-8B"}
"""What the reports have draft for Llama 3.1."""

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


def served(model: str, *, flags: Flags, traffic: Traffic, watch: Watch, **own: Any) -> ServerCase:
    """A case whose server has small pools, and whose answers are held to what its type can tell apart."""
    usual: dict[str, Any] = {"on": HOSTS, "tolerance": FLOAT32, "coarser": COARSER}
    return ServerCase(model=model, flags={**COMMON, **flags}, traffic=traffic, watch=watch, **(usual | own))


def paged_traffic() -> Traffic:
    """A load of a plain server's: both endpoints, some streamed, one request once more alone."""
    return Traffic(
        seed=16,
        requests=4,
        prompt_tokens=(5, 60),
        output_tokens=5,
        concurrency=4,
        shared_prefix=4,
        alone=1,
        stream="some",
        endpoint="both",
    )


def eagle_traffic(seed: int) -> Traffic:
    """A load that a speculative server in the interpreter answers within a minute."""
    return Traffic(seed=seed, requests=2, prompt_tokens=(5, 40), output_tokens=6, concurrency=2)


TWO_BATCHES_OF_EIGHT: Flags = {
    "tp": "8",
    "dp": "8",
    "enable-dp-attention": "",
    "enable-two-batch-overlap": "",
    "moe-a2a-backend": "deepep",
    "max-running-requests": "40",
}
"""Two-batch overlap as it was reported: eight ranks, and five requests at once for each."""

TWO_RANKS: Flags = {
    "SGLANG_TBO_DEBUG": "1",  # the log says where each batch was cut
    "SGLANG_CPU_OMP_THREADS_BIND": "0|1",  # two ranks on one memory node have to be told apart
    "NCCL_NVLS_ENABLE": "0",  # no multicast: two ranks gain nothing from it
}
"""The environment of two-batch overlap over two ranks."""


def two_batch_traffic(*, requests: int, output_tokens: int) -> Traffic:
    """A load for two ranks, without log-probabilities: 0.5.15 ends on them, see docs/findings.md."""
    return Traffic(
        seed=22598,
        requests=requests,
        prompt_tokens=(5, 60),
        output_tokens=output_tokens,
        concurrency=min(requests, 10),
        logprobs=False,
    )

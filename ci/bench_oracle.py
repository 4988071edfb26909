"""Measures the memory oracle: its cost on upstream's heaviest kernels, and what it finds in the battery.

    python ci/bench_oracle.py            cost over the bare interpreter, beside Triton-Viz's sanitizer
    python ci/bench_oracle.py --table    rewrite the battery's table in docs/oracle.md

Triton-Viz is optional (`pip install "refault[bench]"`); what needs it is skipped without it.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.host.environment import CPU_KERNELS

ROUNDS = 5
MOST = 1.5
"""What the oracle may cost at most, as a multiple of the bare interpreter's time."""
VIZ_SECONDS = 600
TRITON_OPS = "sglang.srt.layers.attention.triton_ops"
ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "oracle.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

REQUESTS, CONTEXT = 4, 512
HEADS, KV_HEADS, HEAD_DIM = 4, 1, 64
SPLITS = 4


@dataclass(frozen=True)
class Workload:
    """One call of upstream code; `kernels` are the (module, name) pairs that do the work."""

    name: str
    kernels: tuple[tuple[str, str], ...]
    call: Callable[[], object]


# --- upstream's kernels --------------------------------------------------------------------


def workloads() -> list[Workload]:
    """Three kernels that the reproducers spend their time in, with inputs larger than theirs."""
    import torch

    torch.manual_seed(0)
    return [_fill_indices(torch), _extend(torch), _decode(torch)]


def _fill_indices(torch: Any) -> Workload:
    module = importlib.import_module(f"{TRITON_OPS}.kv_indices")
    requests, context = 64, 8192
    table = torch.arange(requests * context, dtype=torch.int32).reshape(requests, context)
    lengths = torch.full((requests,), context - 3, dtype=torch.int64)
    starts = torch.zeros(requests + 1, dtype=torch.int32)
    starts[1:] = torch.cumsum(lengths, 0)
    indices = torch.zeros(int(starts[-1]), dtype=torch.int32)
    rows = torch.arange(requests, dtype=torch.int64)
    kernel = "create_flashinfer_kv_indices_triton"

    def call() -> None:
        getattr(module, kernel)[(requests,)](table, rows, lengths, starts, None, indices, table.stride(0))

    return Workload(kernel, ((module.__name__, kernel),), call)


def _cache(torch: Any) -> dict[str, Any]:
    """Keys and values of REQUESTS sequences, one slot a token, shuffled as in a used pool."""
    slots = REQUESTS * CONTEXT
    return {
        "k_buffer": torch.randn(slots, KV_HEADS, HEAD_DIM),
        "v_buffer": torch.randn(slots, KV_HEADS, HEAD_DIM),
        "kv_indptr": torch.arange(0, slots + 1, CONTEXT, dtype=torch.int32),
        "kv_indices": torch.randperm(slots),
    }


def _extend(torch: Any) -> Workload:
    module = importlib.import_module(f"{TRITON_OPS}.extend_attention")
    new, cache = 128, _cache(torch)
    q = torch.randn(REQUESTS * new, HEADS, HEAD_DIM)
    out = torch.empty_like(q)
    starts = torch.arange(0, REQUESTS * new + 1, new, dtype=torch.int32)
    prefixes = torch.full((REQUESTS,), CONTEXT - new, dtype=torch.int32)

    def call() -> None:
        module.extend_attention_fwd_unified(
            q, out, cache["k_buffer"], cache["v_buffer"], 1.0, 1.0, starts, cache["kv_indptr"], cache["kv_indices"],
            prefixes, new,
        )  # fmt: skip

    return Workload("_fwd_kernel_unified", ((module.__name__, "_fwd_kernel_unified"),), call)


def _decode(torch: Any) -> Workload:
    module = importlib.import_module(f"{TRITON_OPS}.decode_attention")
    cache = _cache(torch)
    q = torch.randn(REQUESTS, HEADS, HEAD_DIM)
    out = torch.empty_like(q)
    logits = torch.empty(REQUESTS, HEADS, SPLITS, HEAD_DIM)
    sums = torch.empty(REQUESTS, HEADS, SPLITS)
    splits = torch.full((REQUESTS,), SPLITS, dtype=torch.int32)

    def call() -> None:
        module.decode_attention_fwd(
            q, cache["k_buffer"], cache["v_buffer"], out, cache["kv_indptr"], cache["kv_indices"], logits, sums, splits,
            SPLITS, HEAD_DIM**-0.5, 1.0, 1.0,
        )  # fmt: skip

    kernels = ("_fwd_grouped_kernel_stage1", "_fwd_kernel_stage2")
    return Workload(" + ".join(kernels), tuple((module.__name__, name) for name in kernels), call)


# --- cost ----------------------------------------------------------------------------------


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def watched(call: Callable[[], object]) -> Callable[[], None]:
    """The same call under the oracle; a fault in it means that the workload is no clean run."""
    from harness.memory.oracle import Oracle

    root = Path(importlib.import_module("sglang").__path__[0])

    def run() -> None:
        oracle = Oracle()
        with oracle.watching(root, entered=lambda kernel: None):
            call()
        if faults := list(oracle.strays.faults()):
            raise SystemExit(f"bench: the oracle reports {faults[0].signature} in a clean run")

    return run


def cost(workload: Workload, rounds: int) -> tuple[float, float]:
    """Best seconds of `rounds` alternating rounds: bare interpreter, and under the oracle."""
    workload.call()  # the interpreter rewrites a kernel when it first runs
    pairs = [(seconds(workload.call), seconds(watched(workload.call))) for _ in range(rounds)]
    return min(bare for bare, _ in pairs), min(under for _, under in pairs)


def print_costs(rounds: int) -> bool:
    """The table of costs; returns whether every kernel stays within MOST."""
    measured = {workload.name: cost(workload, rounds) for workload in workloads()}
    viz = from_triton_viz("--viz-costs", "--rounds", str(min(rounds, 2)))
    print(f"best of {rounds} alternating rounds; ratio to the bare interpreter in brackets")
    print(f"{'kernel':48} {'bare s':>8} {'oracle s':>16} {'Triton-Viz s':>16}")
    for name, (bare, under) in measured.items():
        told = _viz_cost((viz or {}).get(name), bare)
        print(f"{name:48} {bare:8.3f} {under:9.3f} ({under / bare:4.2f}) {told:>16}")
    worst = max(under / bare for bare, under in measured.values())
    print(f"the oracle costs at most {worst:.2f} times the bare interpreter; {MOST} is allowed")
    return worst <= MOST


def _viz_cost(told: Any, bare: float) -> str:
    if not isinstance(told, int | float):
        return str(told or "not run")
    return f"{told:9.3f} ({told / bare:4.2f})"


# --- Triton-Viz, in a process of its own: it rewires the interpreter for good -----------------


def from_triton_viz(*arguments: str) -> Mapping[str, Any] | None:
    """What a child of this script that may import Triton-Viz prints; None where it is not installed."""
    if importlib.util.find_spec("triton_viz") is None:
        print('bench: triton_viz is not installed (`pip install "refault[bench]"`): skipped', file=sys.stderr)
        return None
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    try:
        ran = subprocess.run(command, stdout=subprocess.PIPE, timeout=VIZ_SECONDS, text=True, check=False)
    except subprocess.TimeoutExpired:
        print(f"bench: Triton-Viz took more than {VIZ_SECONDS} s: left out", file=sys.stderr)
        return None
    if ran.returncode:
        print(f"bench: Triton-Viz ended with {ran.returncode}: left out", file=sys.stderr)
        return None
    return dict(json.loads(ran.stdout.splitlines()[-1]))


def traced(kernels: Sequence[tuple[str, str]]) -> list[Any]:
    """Put Triton-Viz's sanitizer around these kernels; returns its clients, which hold what they found."""
    import triton_viz
    from triton_viz.clients import Sanitizer

    clients = []
    for module_name, name in kernels:
        module = importlib.import_module(module_name)
        clients.append(Sanitizer(abort_on_error=False))
        setattr(module, name, triton_viz.trace(clients[-1])(getattr(module, name)))
    return clients


def viz_costs(rounds: int) -> dict[str, Any]:
    """Best seconds per workload, or in a word why there are none."""
    found: dict[str, Any] = {}
    for workload in workloads():
        traced(workload.kernels)
        try:
            found[workload.name] = min(seconds(workload.call) for _ in range(rounds))
        except Exception as error:  # noqa: BLE001 - whatever it does not support is its result here
            found[workload.name] = type(error).__name__
    return found


# --- the command ---------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="alternating rounds to take the best of")
    parser.add_argument("--table", action="store_true", help=f"rewrite the battery's table in {DOCUMENT.name}")
    parser.add_argument("--viz-costs", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--viz-battery", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.viz_costs:
        print(json.dumps(viz_costs(asked.rounds)))
        return 0
    return 0 if print_costs(asked.rounds) else 1


if __name__ == "__main__":
    os.environ.update(CPU_KERNELS)
    sys.path.insert(0, str(ROOT))
    importlib.import_module("harness.host.preload")
    raise SystemExit(main())

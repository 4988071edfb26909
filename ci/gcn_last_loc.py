"""Executes both kernels of #23596 as an AMD GPU's machine code, for every pair of dtypes; prints JSON.

A program of its own, so that it can run with any release of Triton (`ci/gcn_tritons.py`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
import triton

import harness.host.preload  # noqa: F401  upstream asks for torchvision
from harness.facts import Platform
from harness.gcn.launches import Emulation, emulated
from harness.host.targets import Target
from harness.memory.violations import Violations

ROWS, WIDTH = 64, 132
DTYPES = (torch.int64, torch.int32)


@dataclass(frozen=True)
class Ran:
    """One kernel for one pair of dtypes: how many slots it stored are wrong, and what it touched astray."""

    kernel: str
    prefix_lens: str
    req_pool_indices: str
    wrong: int
    astray: tuple[str, ...]
    hazards: tuple[str, ...]
    waves: int
    instructions: int


def ran(platform: str) -> Iterator[Ran]:
    """Every pair of dtypes in the kernel of before the fix and in the one of now."""
    from sglang.kernels.ops.memory import common

    table = torch.zeros(ROWS, WIDTH, dtype=torch.int32)
    table[:, WIDTH - 1] = 3 * torch.arange(ROWS, dtype=torch.int32) - 7
    for lengths in DTYPES:
        for rows in DTYPES:
            prefixes, pool = torch.full((ROWS,), WIDTH, dtype=lengths), torch.arange(ROWS).flip(0).to(rows)
            prefixes[7] = 0
            given = (table, pool, prefixes)
            wide, narrow = torch.zeros(ROWS, dtype=lengths), torch.zeros(ROWS, dtype=torch.int32)
            yield _one(platform, common.get_last_loc_kernel, given, wide)
            is_long = {"PREFIX_DTYPE_IS_I64": lengths == torch.int64}
            yield _one(platform, common._get_last_loc_safe_kernel, given, narrow, **is_long)


def _one(platform: str, kernel: Any, given: tuple[Any, ...], out: torch.Tensor, **constants: Any) -> Ran:
    target, strays = Target(Platform.parse(platform)), Violations()
    emulation = Emulation(target, strays, None, lambda name: None, lambda name, tensors: None)
    with emulated(emulation):
        kernel[(1,)](*given, out, ROWS, WIDTH, BLOCK_SIZE=256, **constants)
    _, pool, prefixes = given
    expected = torch.where(prefixes > 0, 3 * pool.long() - 7, torch.tensor(-1))
    (run,) = (run for _, run in emulation.runs)
    return Ran(
        kernel=kernel.__name__,
        prefix_lens=str(prefixes.dtype).removeprefix("torch."),
        req_pool_indices=str(pool.dtype).removeprefix("torch."),
        wrong=int((out.long() != expected).sum()),
        astray=tuple(fault.signature for fault in strays.faults()),
        hazards=tuple(f"{hazard.instruction} at {hazard.line}" for hazard in run.hazards),
        waves=run.waves,
        instructions=run.instructions,
    )


if __name__ == "__main__":
    told = [asdict(one) for one in ran(sys.argv[1])]
    print(json.dumps({"triton": triton.__version__, "ran": told}))

"""Runs random small kernels as an AMD GPU's machine code and in Triton's interpreter; prints JSON.

A program of its own, so that it can run with any release of Triton (`ci/gcn_tritons.py --random N`).
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import triton

from harness.tests.gcn.expressions import Executed, RandomKernel, drawn, executed


def told(chip: str, kernels: int) -> Iterator[dict[str, Any]]:
    """What became of the kernels of the first seeds.

    All are executed before the first is interpreted: up to Triton 3.5 nothing compiles any more in a process
    in which something was interpreted.
    """
    with tempfile.TemporaryDirectory() as folder:
        drawing = [drawn(Path(folder), f"random_{seed}", seed) for seed in range(kernels)]
        for kernel, found in [(kernel, _executed(kernel, chip)) for kernel in drawing]:
            yield _facts(kernel, found)


def _executed(kernel: RandomKernel, chip: str) -> Executed:
    """What the kernel did; where Triton does not compile it, that as what it lacks."""
    try:
        return executed(kernel, chip)
    except triton.TritonError as error:
        return Executed(torch.zeros(0), lacks=f"{type(error).__name__} of {kernel.expression}")


def _facts(kernel: RandomKernel, found: Executed) -> dict[str, Any]:
    differing = 0 if found.lacks else int((found.out != kernel.launched(kernel.interpreted)).sum())
    return {
        "expression": kernel.expression,
        "instructions": found.instructions,
        "differing": differing,
        "astray": found.astray,
        "hazards": found.hazards,
        "lacks": found.lacks,
    }


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # temporary folders go as with Ctrl-C
    ran = list(told(sys.argv[1].removeprefix("rocm-"), int(sys.argv[2])))
    print(json.dumps({"triton": triton.__version__, "ran": ran}))

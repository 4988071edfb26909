"""Measures launches of six upstream kernels by their number of programs, under the oracle and without it.

Seconds are of the processor's time, the best of some rounds in which both take turns. The bare interpreter is
without its int32 overflow arithmetic, which the oracle leaves out as well; a share of the oracle's of what is
not the interpreter's is seen so. Triton-Viz's sanitizer is measured by ci/bench/oracle.py.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ci.bench import oracle as bench  # noqa: E402 - a script finds the package only now
from harness.host.environment import CPU_KERNELS  # noqa: E402

PROGRAMS = (1, 8, 64, 512)
ROUNDS = 3
MOST = 1.15
"""What the oracle should cost at most, as a multiple of the interpreter that it runs on."""

Call = Callable[[], object]


def seconds(call: Call) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def bare(call: Call) -> float:
    """Of the interpreter alone."""
    with bench.without_overflow_arithmetic():
        return seconds(call)


def rows(programs: int, rounds: int) -> Iterator[tuple[str, float, float]]:
    """Of each kernel the best seconds, bare and watched."""
    from ci.bench.oracle_workloads import of_programs

    for workload in of_programs(programs):
        watched = bench.watched(workload.call)
        workload.call()  # the interpreter rewrites a kernel when it first runs
        taken = [(bare(workload.call), seconds(watched)) for _ in range(rounds)]
        alone, checked = map(min, zip(*taken, strict=True))
        yield workload.name, alone, checked


def line(name: str, programs: int, alone: float, checked: float) -> str:
    """A row of the table: milliseconds for a program, and the ratio of the two."""
    each = f"{1000 * alone / programs:12.3f} {1000 * checked / programs:12.3f}"
    return f"{name:50} {programs:8} {alone:9.4f} {checked:9.4f} {checked / alone:6.2f} {each}"


def main() -> int:
    """0 if the oracle costs at most MOST times the interpreter."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--programs", type=int, nargs="+", default=PROGRAMS, help="sizes of the launches")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds to take the best of")
    asked = parser.parse_args()
    os.environ.update({**CPU_KERNELS, "SGLANG_USE_CPU_ENGINE": "0"})  # else a library is asked for
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    importlib.import_module("harness.host.preload")
    from harness.host import interpreter

    interpreter.without_repetition()
    head = f"{'bare':>9} {'oracle':>9} {'ratio':>6} {'ms each':>12} {'ms, oracle':>12}"
    print(f"{'kernel':50} {'programs':>8} {head}")
    ratios = []
    for programs in asked.programs:
        for name, alone, checked in rows(programs, asked.rounds):
            ratios.append(checked / alone)
            print(line(name, programs, alone, checked), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"oracle: at most {max(ratios):.2f} times the bare interpreter ({MOST} wanted)")
    print(f"memory: {peak:.1f} GiB at the peak")
    return 0 if max(ratios) <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())

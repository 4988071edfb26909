"""Measures launches of six upstream kernels by their number of programs, under the oracle and without it.

The oracle runs the programs of a launch one after another, and at once. Seconds are of the processor's time,
the best of some rounds in which all ways take turns. The bare interpreter is without its int32 overflow
arithmetic, which the oracle leaves out as well; a share of the oracle's of what is not the interpreter's is
seen so. Triton-Viz's sanitizer runs beside them, where it is installed.
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
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ci.bench import oracle as bench  # noqa: E402 - a script finds the package only now
from ci.bench import triton_viz_sanitizer  # noqa: E402
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


@contextmanager
def in_turn() -> Iterator[None]:
    """Launches of the block run program by program."""
    from harness.memory.grid import execution

    original = execution.Grid.at_once
    execution.Grid.at_once = lambda *_: "asked for"  # type: ignore[method-assign]
    try:
        yield
    finally:
        execution.Grid.at_once = original  # type: ignore[method-assign]


@dataclass(frozen=True)
class Row:
    """The best seconds of one kernel's launch: bare, and under the oracle in turn and at once.

    `viz` are those of one launch under Triton-Viz, or why there was none.
    """

    kernel: str
    programs: int
    bare: float
    in_turn: float
    at_once: float
    viz: float | str

    def __str__(self) -> str:
        viz = f"{self.viz:.4f}" if isinstance(self.viz, float) else self.viz
        times = f"{self.bare:9.4f} {self.in_turn:9.4f} {self.at_once:9.4f} {viz:>12}"
        ratios = f"{self.in_turn / self.bare:7.2f} {self.ratio:7.2f} {self.in_turn / self.at_once:7.1f}"
        return f"{self.kernel:50} {self.programs:8} {times} {ratios}"

    @property
    def ratio(self) -> float:
        """What the oracle costs as a multiple of the bare interpreter."""
        return self.at_once / self.bare


def rows(programs: int, rounds: int) -> Iterator[Row]:
    """A row for each kernel."""
    from ci.bench.oracle_workloads import of_programs

    viz = triton_viz_sanitizer.run("launches", str(programs)) or {}
    for workload in of_programs(programs):
        watched = bench.watched(workload.call)
        workload.call()  # the interpreter rewrites a kernel when it first runs
        taken = [_round(workload.call, watched) for _ in range(rounds)]
        alone, checked, together = map(min, zip(*taken, strict=True))
        beside = viz.get(workload.name, "not run")
        yield Row(workload.name, programs, alone, checked, together, beside)


def _round(call: Call, watched: Call) -> tuple[float, float, float]:
    alone = bare(call)
    with in_turn():
        checked = seconds(watched)
    return alone, checked, seconds(watched)


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
    head = f"{'bare':>9} {'in turn':>9} {'at once':>9} {'Triton-Viz':>12}"
    print(f"{'kernel':50} {'programs':>8} {head} {'in turn':>7} {'at once':>7} {'gain':>7}")
    ratios = []
    for programs in asked.programs:
        for row in rows(programs, asked.rounds):
            ratios.append(row.ratio)
            print(row, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"oracle: at most {max(ratios):.2f} times the bare interpreter ({MOST} wanted)")
    print(f"memory: {peak:.1f} GiB at the peak")
    return 0 if max(ratios) <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())

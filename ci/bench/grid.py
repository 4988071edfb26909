"""Measures launches with their programs at once and in turn, under the oracle and without it.

Seconds are of CPU time, the best of some rounds in which all ways take turns. The bare interpreter is without
its int32 overflow arithmetic, which the oracle leaves out as well. Triton-Viz's sanitizer, where it is
installed, is measured by ci/bench/oracle.py.
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
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ci.bench import oracle as bench  # noqa: E402 - a script finds the package only now
from harness.host.environment import CPU_KERNELS  # noqa: E402

PROGRAMS = (1, 8, 64, 512)
ROUNDS = 3
MOST = 1.15
"""What the oracle may cost at most, as a multiple of the interpreter that it runs on."""

Call = Callable[[], object]


def seconds(call: Call) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


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


def bare(call: Call) -> float:
    with bench.without_overflow_arithmetic():
        return seconds(call)


def watched_in_turn(call: Call) -> float:
    with in_turn():
        return seconds(bench.watched(call))


def watched(call: Call) -> float:
    return seconds(bench.watched(call))


WAYS: dict[str, Callable[[Call], float]] = {
    "bare, in turn": bare,
    "oracle, in turn": watched_in_turn,
    "oracle, at once": watched,
}


def rows(programs: int, rounds: int) -> Iterator[tuple[str, list[float]]]:
    """Of each kernel the best seconds of every way."""
    from ci.bench.oracle_workloads import of_programs

    for workload in of_programs(programs):
        for way in WAYS.values():
            way(workload.call)  # the interpreter rewrites a kernel when it first runs
        taken = [[way(workload.call) for way in WAYS.values()] for _ in range(rounds)]
        yield workload.name, [min(column) for column in zip(*taken, strict=True)]


def main() -> int:
    """0 if the oracle costs at most MOST times what it runs on, with programs in turn and at once."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--programs", type=int, nargs="+", default=PROGRAMS, help="sizes of the launches")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds to take the best of")
    asked = parser.parse_args()
    os.environ.update(CPU_KERNELS)
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    importlib.import_module("harness.host.preload")
    from harness.host import interpreter

    interpreter.without_repetition()
    print(
        f"{'kernel':50} {'programs':>8} "
        + " ".join(f"{way:>16}" for way in WAYS)
        + f" {'ratio':>6} {'gain':>6}"
    )
    ratios = []
    for programs in asked.programs:
        for name, (alone, checked, together) in rows(programs, asked.rounds):
            ratios.append(min(checked, together) / alone)
            told = " ".join(f"{value:16.4f}" for value in (alone, checked, together))
            print(f"{name:50} {programs:8} {told} {ratios[-1]:6.2f} {checked / together:6.1f}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"oracle: at most {max(ratios):.2f} times the bare interpreter ({MOST} allowed)")
    print(f"memory: {peak:.1f} GiB at the peak")
    return 0 if max(ratios) <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())

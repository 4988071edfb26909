"""Measures launches of six upstream kernels by their number of programs, under the oracle and without it.

The oracle watches as it does in a point of the kernel tier, with all detectors, and runs the programs of a
launch one after another, and at once. Times are milliseconds of the processor for one launch, the best of
some rounds in which all ways take turns; a quick launch is made several times in a round, in one watched
block. The bare interpreter is without its int32 overflow arithmetic, which the oracle leaves out as well, and
has the language exchanged and types worked out once (harness/host/interpreter.py): what a kernel runs on
where nobody watches. What the oracle spares beyond that counts for it. Launches of one program run in the
interpreter as Triton ships it, too. Triton-Viz's sanitizer runs beside them, where it is installed.
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

ENOUGH = 0.1
"""Seconds that the launches of one round take together, or a single one of them takes more."""

HEAD = (
    f"{'ms of a launch, and ratios to bare':50} {'programs':>8} {'shipped':>9} {'bare':>9} {'in turn':>9} "
    f"{'at once':>9} "
    f"{'Triton-Viz':>14} {'in turn':>7} {'at once':>7} {'gain':>7}"
)

Call = Callable[[], object]


def seconds(call: Call, times: int = 1) -> float:
    """Of the processor, for each of so many calls."""
    start = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - start) / times


def bare(call: Call, times: int) -> float:
    """Of the interpreter alone."""
    with bench.without_overflow_arithmetic():
        return seconds(call, times)


class Shipped:
    """The interpreter as Triton ships it, by what it was when this was made."""

    def __init__(self) -> None:
        from triton.language import core
        from triton.runtime import interpreter

        named = ((core.tensor, "__init__"), (core.block_type, "__init__"))
        own = ((interpreter, "_patch_lang"), (interpreter, "_get_np_dtype"))
        self._as_shipped = [(owner, name, getattr(owner, name)) for owner, name in (*named, *own)]

    def seconds(self, call: Call, times: int) -> float:
        """Of it alone."""
        ours = [getattr(owner, name) for owner, name, _ in self._as_shipped]
        for owner, name, original in self._as_shipped:
            setattr(owner, name, original)
        try:
            return seconds(call, times)
        finally:
            for (owner, name, _), value in zip(self._as_shipped, ours, strict=True):
                setattr(owner, name, value)


def watched(call: Call, times: int) -> float:
    """Of calls in one block that is watched as a point of the kernel tier is.

    SystemExit if the oracle reports a fault: the workload is no clean run then.
    """
    from harness.memory.oracle import Oracle
    from harness.memory.stores import Stores

    root = Path(importlib.import_module("sglang").__path__[0])
    oracle = Oracle(stores=Stores())
    with oracle.calling(root), oracle.watching(root, entered=lambda kernel: None):
        taken = seconds(call, times)
    if faults := list(oracle.violations.faults()):
        raise SystemExit(f"bench: the oracle reports {faults[0].signature} in a clean run")
    return taken


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
    """The best seconds of one launch: bare, and under the oracle in turn and at once.

    `shipped` are those of the interpreter as Triton ships it, None where nobody measured that. `viz` are
    those of one launch under Triton-Viz, or why there was none.
    """

    kernel: str
    programs: int
    shipped: float | None
    bare: float
    in_turn: float
    at_once: float
    viz: float | str

    def __str__(self) -> str:
        viz = _milliseconds(self.viz) if isinstance(self.viz, float) else self.viz
        ways = (self.shipped, self.bare, self.in_turn, self.at_once)
        times = " ".join([*(f"{_milliseconds(taken):>9}" for taken in ways), f"{viz:>14}"])
        ratios = f"{self.in_turn / self.bare:7.2f} {self.ratio:7.2f} {self.in_turn / self.at_once:7.1f}"
        return f"{self.kernel:50} {self.programs:8} {times} {ratios}"

    @property
    def ratio(self) -> float:
        """What the oracle costs as a multiple of the bare interpreter."""
        return self.at_once / self.bare


def _milliseconds(taken: float | None) -> str:
    return "-" if taken is None else f"{1e3 * taken:.2f}"


def rows(programs: int, rounds: int, shipped: Shipped) -> Iterator[Row]:
    """A row for each kernel."""
    from ci.bench.oracle_workloads import of_programs

    viz = triton_viz_sanitizer.run("launches", str(programs)) or {}
    for workload in of_programs(programs):
        workload.call()  # the interpreter rewrites a kernel when it first runs
        times = 1 + int(ENOUGH / seconds(workload.call))
        taken = [_round(workload.call, times) for _ in range(rounds)]
        alone, checked, together = map(min, zip(*taken, strict=True))
        beside = viz.get(workload.name, "not run")
        as_it_is = None if programs > 1 else min(shipped.seconds(workload.call, times) for _ in range(rounds))
        yield Row(workload.name, programs, as_it_is, alone, checked, together, beside)


def _round(call: Call, times: int) -> tuple[float, float, float]:
    alone = bare(call, times)
    with in_turn():
        checked = watched(call, times)
    return alone, checked, watched(call, times)


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

    shipped = Shipped()
    interpreter.without_repetition()
    print(HEAD)
    ratios = []
    for programs in asked.programs:
        for row in rows(programs, asked.rounds, shipped):
            ratios.append(row.ratio)
            print(row, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"oracle: at most {max(ratios):.2f} times the bare interpreter ({MOST} wanted)")
    print(f"memory: {peak:.1f} GiB at the peak")
    return 0 if max(ratios) <= MOST else 1


if __name__ == "__main__":
    sys.exit(main())

"""Measures the memory oracle: what it costs on upstream's kernels, and what it finds in the battery.

The bare interpreter and the oracle take turns in this one process, so that their ratio holds where
the seconds themselves do not. Triton-Viz's sanitizer is run beside them, if it is installed.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.metadata
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from ci.bench import triton_viz_sanitizer  # noqa: E402 - a script finds the package only now
from harness.host.environment import CPU_KERNELS  # noqa: E402

ROUNDS = 5
MOST = 1.5
"""What the oracle may cost at most, as a multiple of the bare interpreter's time."""
DOCUMENT = ROOT / "docs" / "oracle.md"
BEGIN, END = "<!-- battery: begin -->\n", "<!-- battery: end -->\n"


# --- cost ----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Cost:
    """Best seconds of one workload. `lean` is the bare interpreter without its int32 overflow
    arithmetic, which it throws away and the oracle leaves out: the oracle's own share shows there."""

    bare: float
    lean: float
    oracle: float


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
        if faults := list(oracle.violations.faults()):
            raise SystemExit(f"bench: the oracle reports {faults[0].signature} in a clean run")

    return run


@contextmanager
def without_overflow_arithmetic() -> Iterator[None]:
    from triton.runtime.interpreter import interpreter_builder

    options = interpreter_builder.options
    interpreter_builder.options = dataclasses.replace(options, sanitize_overflow=False)
    try:
        yield
    finally:
        interpreter_builder.options = options


def measured(call: Callable[[], object], rounds: int) -> Cost:
    call()  # the interpreter rewrites a kernel when it first runs
    taken = []
    for _ in range(rounds):
        bare = seconds(call)
        with without_overflow_arithmetic():
            lean = seconds(call)
        taken.append((bare, lean, seconds(watched(call))))
    return Cost(*map(min, zip(*taken, strict=True)))


def print_costs(rounds: int) -> bool:
    """The table of costs; returns whether every kernel stays within MOST."""
    from ci.bench.oracle_workloads import workloads

    costs = {workload.name: measured(workload.call, rounds) for workload in workloads()}
    viz = triton_viz_sanitizer.run("costs") or {}
    print(f"seconds, best of {rounds} alternating rounds; in brackets the ratio to the bare interpreter")
    print(f"{'kernel':50} {'bare':>7} {'bare, lean':>15} {'oracle':>15} {'Triton-Viz':>20}")
    for name, cost in costs.items():
        cells = [
            _timed(cost.lean, cost.bare),
            _timed(cost.oracle, cost.bare),
            _timed(viz.get(name, "not run"), cost.bare),
        ]
        print(f"{name:50} {cost.bare:7.3f} {cells[0]:>15} {cells[1]:>15} {cells[2]:>20}")
    worst = max(cost.oracle / cost.bare for cost in costs.values())
    share = max(cost.oracle / cost.lean for cost in costs.values())
    print(
        f"oracle: at most {worst:.2f} times the bare interpreter ({MOST} allowed), {share:.2f} the lean one"
    )
    return worst <= MOST


def _timed(taken: Any, bare: float) -> str:
    return f"{taken:.3f} ({taken / bare:.2f})" if isinstance(taken, int | float) else str(taken)


# --- the battery's table ---------------------------------------------------------------------


def battery_table() -> tuple[str, bool]:
    """The table of docs/oracle.md from a run just made, and whether the oracle was right throughout."""
    from harness.tests.memory.battery import PROGRAMS, faults_of

    viz = triton_viz_sanitizer.run("battery")
    rows, right, silent = [], 0, 0
    for program in PROGRAMS:
        seen, alarms = faults_of(program, True), faults_of(program, False)
        exact = sorted(map(str, seen)) == sorted(map(str, program.expected))
        right, silent = right + exact, silent + (not alarms)
        said = "<br>".join(fault.signature for fault in seen) if exact else "**not as planted**"
        twin = "clean" if not alarms else "**false alarm**"
        rows.append(f"| {program.name} | {program.plants} | {said} | {twin} | {_beside(viz, program)} |")
    head = [
        "| program | what is planted | the oracle | twin | Triton-Viz |",
        "| --- | --- | --- | --- | --- |",
    ]
    total = len(PROGRAMS)
    text = f"Of {total} programs the oracle finds {right} with the right numbers; "
    text += f"false alarms: {total - silent}."
    lines = [*head, *rows, "", " ".join([text, *_tally(viz)])]
    return "\n".join(lines) + "\n", right == silent == total


def _beside(viz: Mapping[str, Any] | None, program: Any) -> str:
    if not program.kernels:
        return "no Triton kernel"
    return str(viz[program.name]) if viz else "not run"


def _tally(viz: Mapping[str, Any] | None) -> list[str]:
    if not viz:
        return []
    count = {
        word: sum(word in said for said in viz.values())
        for word in ("found", "missed", "cannot run", "false alarm")
    }
    text = f"finds {count['found']}, misses {count['missed']} and cannot run {count['cannot run']}"
    version = importlib.metadata.version("triton-viz")
    alarms = f"false alarms: {count['false alarm']}"
    return [f"Of the {len(viz)} with Triton kernels Triton-Viz {version}'s sanitizer {text}; {alarms}."]


def write_table() -> bool:
    """Put a new table between the marks in DOCUMENT."""
    table, right = battery_table()
    text = DOCUMENT.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"bench: {DOCUMENT} lacks the lines {BEGIN.strip()} and {END.strip()}: restore them")
    DOCUMENT.write_text(before + BEGIN + table + END + after, encoding="utf-8")
    print(table.splitlines()[-1])
    return right


def main() -> int:
    """0 if the oracle stays within MOST (or, with --table, if it is right about every program)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="alternating rounds to take the best of")
    parser.add_argument("--table", action="store_true", help="rewrite the battery's table in docs/oracle.md")
    asked = parser.parse_args()
    os.environ.update({**CPU_KERNELS, "SGLANG_USE_CPU_ENGINE": "0"})  # else a library is asked for
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    importlib.import_module("harness.host.preload")
    return 0 if (write_table() if asked.table else print_costs(asked.rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())

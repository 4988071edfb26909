"""Measures how what a run costs grows: over the number of bugs, and over the points of one case.

Bugs are taken in the order of their names, with their rows of the codegen and the kernel tier: those on the
CPU first, then all that run here, which adds those that are compiled for GPUs and emulated. Seconds are those
of the processor, of all processes together, as well as of the clock: the first hang less on what else the
machine does. Memory is what all processes have at once, what they share counted once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice
from pathlib import Path
from statistics import linear_regression, median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from harness import catalogue, homes  # noqa: E402 - a script finds the package only now
from harness.facts import Reproducer, Tier  # noqa: E402
from harness.machine import this_machine  # noqa: E402
from harness.process import descendants, usage  # noqa: E402
from harness.source.tree import installed  # noqa: E402
from harness.suite import Bench, Request, Suite, foresee  # noqa: E402

MOST_MIB = 3072
"""What all processes of a run may have at once."""
_LOOK_EVERY = 0.5
"""Seconds between two looks at memory, which walk every page table."""


@dataclass(frozen=True)
class Cost:
    """Of one run: seconds of the processor, of the clock, and the most MiB of memory at once."""

    cpu: float
    wall: float
    mib: int


class _Peak:
    """The most memory that a process and all below it were seen to have at once."""

    def __init__(self, pid: int) -> None:
        self._pid, self._ended, self.bytes = pid, threading.Event(), 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_EVERY):
            below = [process.pid for process in descendants.descendants(self._pid)]
            self.bytes = max(self.bytes, usage.proportional([self._pid, *below]))

    def end(self) -> int:
        """MiB."""
        self._ended.set()
        self._thread.join()
        return self.bytes >> 20


def cost(command: Sequence[str]) -> Cost:
    """Run a command to its end. SystemExit with the end of what it said if it fails."""
    begun = time.monotonic()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        peak = _Peak(process.pid)
        assert process.stdout is not None
        said = process.stdout.read().decode(errors="replace")
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"bench: {' '.join(command)} ended with {process.returncode}: {said[-800:]}")
    return Cost(used.ru_utime + used.ru_stime, time.monotonic() - begun, peak.end())


def medians(costs: Sequence[Cost]) -> Cost:
    """Of each figure; of memory the most."""
    cpu, wall = median(one.cpu for one in costs), median(one.wall for one in costs)
    return Cost(cpu, wall, max(one.mib for one in costs))


# --- what is run ---------------------------------------------------------------------------------


QUICK = (Tier.CODEGEN, Tier.KERNEL)


class Rows(StrEnum):
    """Which cases of a bug are run: those on the CPU, or those for GPUs that need not be here as well."""

    CPU = "cpu"
    ALL = "all"


def bugs() -> list[str]:
    """The bugs with a case in the codegen or the kernel tier that runs on this machine's CPU, by name."""
    return sorted({request.reproducer.id for request in _runnable(Rows.CPU)})


def requests(rows: Rows, names: Sequence[str]) -> list[Request]:
    """Their cases, bug after bug."""
    found = _runnable(rows)
    return [request for name in names for request in found if request.reproducer.id == name]


def _runnable(rows: Rows) -> list[Request]:
    """Whatever runs here; a row of the CPU names no platform, and compiles for none."""
    here = (one.request for one in foresee(this_machine(), catalogue.subjects()) if one.runs)
    return [
        request
        for request in here
        if request.tier in QUICK
        and (rows is Rows.ALL or (request.tier, request.platform) == (Tier.KERNEL, None))
    ]


def of_bugs(rows: Rows, number: int) -> list[str]:
    """The command that runs these rows of the first bugs."""
    return [sys.executable, __file__, "--run", rows.value, "--bugs", str(number)]


def run_bugs(rows: Rows, number: int) -> int:
    """Run these rows of the first bugs; 1 if one came to a failing verdict, which it names."""
    with Suite(Bench.here((homes.own(),)).on(installed())) as suite:
        judged = [one.result for one in suite.run(requests(rows, bugs()[:number]))]
    failing = [f"{one.reproducer} {one.tier}: {one.verdict}: {one.reason}" for one in judged if one.failed]
    print("\n".join(failing), end="")
    return int(bool(failing))


def of_points(bug: str, points: int) -> list[str]:
    """The command that runs so many points of one case."""
    return [sys.executable, __file__, "--case", bug, "--points", str(points)]


def run_points(bug: str, points: int) -> int:
    """Run that many points of a bug's kernel case, its own again and again; 1 if an arm came to nothing."""
    subject = catalogue.find(bug, catalogue.load_all())
    assert isinstance(subject, Reproducer)
    bare = Request(reproducer=subject, tier=Tier.KERNEL)
    request = Request(reproducer=subject, tier=Tier.KERNEL, given=tuple(islice(cycle(bare.points), points)))
    with Suite(Bench.here((homes.own(),)).on(installed())) as suite:
        (judged,) = suite.run([request])
    arms = (judged.evidence.fixed.observation, judged.evidence.reverted.observation)
    return int(any(arm is None or arm.unresolved or len(arm.points) != points for arm in arms))


# --- the tables ----------------------------------------------------------------------------------


def table(what: str, numbers: Iterable[int], costs: Sequence[Cost]) -> list[str]:
    """A row for each number, and what one more costs, by the straight line that fits best."""
    numbers = list(numbers)
    lines = [f"{what:>8} {'CPU s':>8} {'wall s':>8} {'MiB':>6}"]
    for number, one in zip(numbers, costs, strict=True):
        lines.append(f"{number:8} {one.cpu:8.1f} {one.wall:8.1f} {one.mib:6}")
    if len(numbers) > 1:
        slope, start = linear_regression(numbers, [one.cpu for one in costs])
        lines.append(f"CPU: {start:.1f} s, and {slope:.2f} s for each of the {what}")
    return lines


def over_bugs(rows: Rows, numbers: Sequence[int], rounds: int) -> list[Cost]:
    """Measure and print a table of so many bugs; the costs, by number."""
    known = bugs()
    counts = ", ".join(str(len(requests(rows, known[:number]))) for number in numbers)
    costs = [_measured(of_bugs(rows, number), f"{rows} rows, {number} bugs", rounds) for number in numbers]
    print(f"{rows} rows: {counts}")
    print("\n".join(table("bugs", numbers, costs)), flush=True)
    return costs


def over_points(bug: str, numbers: Sequence[int], rounds: int) -> list[Cost]:
    """Measure and print a table of so many points of a bug's case; the costs, by number."""
    costs = [_measured(of_points(bug, number), f"{bug}, {number} points", rounds) for number in numbers]
    print(f"points of {bug}")
    print("\n".join(table("points", numbers, costs)), flush=True)
    return costs


def _measured(command: Sequence[str], what: str, rounds: int) -> Cost:
    costs = []
    for number in range(1, rounds + 1):
        costs.append(cost(command))
        print(f"{what}, run {number} of {rounds}: {costs[-1].wall:.0f} s", file=sys.stderr, flush=True)
    return medians(costs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--bugs", type=int, nargs="*", default=[6, 12, 18], help="so many bugs in a run")
    parser.add_argument("--points", type=int, nargs="*", default=[1, 16, 64], help="so many points of a case")
    parser.add_argument("--of", default="pr24587", help="the bug whose points are run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, of which the median is told")
    parser.add_argument("--rows", type=Rows, choices=list(Rows), nargs="*", default=list(Rows))
    alone = parser.add_mutually_exclusive_group()
    alone.add_argument("--case", metavar="BUG", help="run the points of this case once, and nothing else")
    alone.add_argument("--run", type=Rows, choices=list(Rows), help="run these rows once, and nothing else")
    return parser


def main() -> int:
    """0 if no run had more memory than MOST_MIB."""
    asked = _parser().parse_args()
    if asked.case:
        return run_points(asked.case, asked.points[0])
    if asked.run:
        return run_bugs(asked.run, asked.bugs[0])
    known = len(bugs())
    numbers = sorted({min(number, known) for number in asked.bugs})
    costs = [one for rows in asked.rows if numbers for one in over_bugs(rows, numbers, asked.rounds)]
    costs += over_points(asked.of, asked.points, asked.rounds) if asked.points else []
    most = max(one.mib for one in costs)
    print(f"memory: at most {most} MiB ({MOST_MIB} allowed)")
    return int(most > MOST_MIB)


if __name__ == "__main__":
    sys.exit(main())

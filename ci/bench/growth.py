"""Measures how what a run costs grows: over the number of bugs, and over the points of one case.

Seconds are those of the processor, of all processes together, as well as of the clock: the first hang less
on what else the machine does. Memory is what all processes have at once, what they share counted once.
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
from itertools import cycle, islice
from pathlib import Path
from statistics import linear_regression, median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from harness import catalogue, homes  # noqa: E402 - a script finds the package only now
from harness.facts import Reproducer, Tier  # noqa: E402
from harness.process import descendants, usage  # noqa: E402
from harness.source.tree import installed  # noqa: E402
from harness.suite import Bench, Request, Suite  # noqa: E402

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


def plain_bugs() -> list[str]:
    """The bugs whose kernel case runs on a CPU and nowhere else: what is emulated has costs of its own."""
    found = [one for one in catalogue.load_all() if (Tier.KERNEL, None) in one.cases]
    return [one.id for one in found if sum(tier is Tier.KERNEL for tier, _ in one.cases) == 1]


def of_bugs(names: Sequence[str]) -> list[str]:
    """The command that runs these bugs."""
    return [sys.executable, "-m", "harness", "run", *names, "--tier", "kernel"]


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


def main() -> int:
    """0 if no run had more memory than MOST_MIB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bugs", type=int, nargs="*", default=[3, 6, 9], help="so many bugs in a run")
    parser.add_argument("--points", type=int, nargs="*", default=[1, 16, 64], help="so many points of a case")
    parser.add_argument("--case", metavar="BUG", help="run the points of this case once, and nothing else")
    parser.add_argument("--of", default="pr24587", help="the bug whose points are run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, of which the median is told")
    asked = parser.parse_args()
    if asked.case:
        return run_points(asked.case, asked.points[0])
    known = plain_bugs()
    numbers = sorted({min(number, len(known)) for number in asked.bugs})
    by_bugs = [medians([cost(of_bugs(known[:n])) for _ in range(asked.rounds)]) for n in numbers]
    print("\n".join(table("bugs", numbers, by_bugs)), flush=True)
    by_points = [medians([cost(of_points(asked.of, n)) for _ in range(asked.rounds)]) for n in asked.points]
    print("\n".join(table("points", asked.points, by_points)))
    most = max(one.mib for one in (*by_bugs, *by_points))
    print(f"memory: at most {most} MiB ({MOST_MIB} allowed)")
    return int(most > MOST_MIB)


if __name__ == "__main__":
    sys.exit(main())

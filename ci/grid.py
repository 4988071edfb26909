"""Runs every launch twice, with its programs at once and one after another: both must come to the same.

The kernel tier of the suite and the oracle's battery run with REFAULT_CHECK_GRID=1 (docs/oracle.md). OUT gets
results.json and grid.json, the number of launches by how they ran. Ends with 0 if launches were compared and
none differed, with 1 otherwise. Verdicts are the suite's business, not this one's.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ci.steps import ROOT
from harness.errors import Unresolved
from harness.memory.grid.compared import COMPARED, DIFFERENT, VARIABLE, counted


def main() -> int:
    asked = _arguments()
    out: Path = asked.out.resolve()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"grid: --out {asked.out}: cannot be written ({error.strerror})", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the suite ends with it, as with Ctrl-C
    os.environ[VARIABLE] = "1"
    counts: dict[str, Counter[str]] = {"suite": Counter(), "battery": Counter()}
    differences = [*_of_suite(asked, out, counts["suite"]), *_of_battery(counts["battery"])]
    (out / "grid.json").write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    return _told(counts, differences)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    add = parser.add_argument
    add("--out", type=Path, default=Path("build/grid"), help="the folder that takes everything")
    add("--sglang", default="installed", help="a tree as `refault --sglang` takes it")
    add("--bugs", nargs="*", default=[], metavar="BUG", help="only these reproducers")
    add("-n", dest="lanes", type=int, default=os.cpu_count() or 1, help="arms at once")
    return parser.parse_args()


def _of_suite(asked: argparse.Namespace, out: Path, counts: Counter[str]) -> Iterator[str]:
    """The differences that a run of the kernel tier met; `counts` takes its launches."""
    results = out / "results.json"
    command = [sys.executable, "-P", "-m", "harness", "run", *asked.bugs, "--tier", "kernel"]
    given = ["--sglang", asked.sglang, "--json", str(results), "-n", str(asked.lanes)]
    results.unlink(missing_ok=True)
    done = subprocess.run([*command, *given], cwd=ROOT, check=False)
    if not results.is_file():
        yield f"the suite left no results and ended with {done.returncode}"
        return
    for result in json.loads(results.read_text(encoding="utf-8"))["results"]:
        yield from _of_result(result, counts)


def _of_result(result: Mapping[str, Any], counts: Counter[str]) -> Iterator[str]:
    if DIFFERENT in result["reason"]:
        yield f"{result['reproducer']}: {result['reason']}"
    arms = (arm for name, arm in result["arms"].items() if name != "interpreted")  # that of another row
    for arm in arms:
        for point in arm.get("points", ()):
            counts.update(counted(point["notes"]))


def _of_battery(counts: Counter[str]) -> Iterator[str]:
    """The same of the battery, which runs in this process."""
    from harness.tests.memory.battery import PROGRAMS, ways_of

    for program in PROGRAMS:
        for planted in (True, False):
            try:
                counts.update(ways_of(program, planted))
            except Unresolved as error:
                yield f"{program.name}: {error}"


def _told(counts: Mapping[str, Mapping[str, int]], differences: list[str]) -> int:
    for where, ran in counts.items():
        for how, times in sorted(ran.items()):
            print(f"{where}: {times} launches: {how}")
    for difference in differences:
        print(f"DIFFERENT {difference}")
    compared = [ran.get(COMPARED, 0) for ran in counts.values()]
    print(f"{sum(compared)} launches were compared, {len(differences)} differ")
    return 0 if all(compared) and not differences else 1


if __name__ == "__main__":
    sys.exit(main())

"""Runs a server case again and again, harms real servers, ends their commands: nothing may be left behind."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.process.pool import Pool
from harness.tests.serving.left_behind import Watch
from harness.workspace import default
from reproducers.tests import injections, kills


def main() -> int:
    """Prints each run, injection and end; 1 if a verdict differs, or is not PASS, or anything is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", default="24394", help="a bug, or a configuration")
    parser.add_argument("--runs", type=int, default=20)
    every = tuple(injections.ALL)
    parser.add_argument("--inject", action="append", choices=every, help="these alone; may be repeated")
    parser.add_argument("--no-injections", action="store_true")
    ends = tuple(kills.ALL)
    parser.add_argument("--end", action="append", choices=ends, help="these alone; may be repeated")
    parser.add_argument("--no-ends", action="store_true", help="end no command by a signal")
    options = parser.parse_args()
    good = _repeated(options.case, options.runs) if options.runs else True
    good &= _injected(() if options.no_injections else options.inject or every)
    good &= _ended(() if options.no_ends else options.end or ends)
    return 0 if good else 1


def _repeated(case: str, runs: int) -> bool:
    seen: Counter[str] = Counter()
    left: list[str] = []
    for number in range(runs):
        verdict, seconds, leftovers = _run(case)
        seen[verdict] += 1
        left += leftovers
        told = f"run {number + 1} of {runs}: {verdict} after {seconds:.0f} s; left: {leftovers or 'nothing'}"
        print(told, flush=True)
    print(f"{case}: {dict(seen)}, {len(left)} things left behind", flush=True)
    return set(seen) == {"PASS"} and not left


def _run(case: str) -> tuple[str, float, list[str]]:
    """The verdict, the seconds it took, and what was left, in a folder for temporary files of its own."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        temporary, target = Path(folder, "t"), Path(folder, "result.json")
        temporary.mkdir()
        watch, begun = Watch(temporary), time.monotonic()
        command = [sys.executable, "-m", "harness", "repro", case, "--tier", "server", "--json", str(target)]
        environment = {**os.environ, "TMPDIR": str(temporary)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        seconds, left = time.monotonic() - begun, watch.left()
        return (
            _verdict(target) or f"no verdict (exit {done.returncode}): {done.stderr[-300:]}",
            seconds,
            left,
        )


def _verdict(target: Path) -> str | None:
    """The verdict, with its reason where it is a failing one."""
    if not target.exists():
        return None
    (result,) = json.loads(target.read_text())["results"]
    return "PASS" if result["verdict"] == "PASS" else f"{result['verdict']}: {result['reason']}"


def _injected(names: Sequence[str]) -> bool:
    good, workspace = True, default()
    with Pool(1) as pool:
        for name in names:
            begun = time.monotonic()
            done = injections.inject(name, pool, workspace.models, workspace.new_run() / name)
            word = "as meant" if done.as_meant and not done.left else "WRONG"
            told = f"{name}: {word} after {time.monotonic() - begun:.0f} s: {done.seen}"
            print(f"{told}; left: {list(done.left) or 'nothing'}", flush=True)
            good &= done.as_meant and not done.left
    return good


def _ended(names: Sequence[str]) -> bool:
    good, models = True, default().models
    models.mkdir(parents=True, exist_ok=True)
    for name in names:
        done = kills.end_in_a_folder(name, models)
        running = f"{done.running} processes, {done.ports} ports"
        swept = f"; the next run removed {list(done.swept)}" if done.swept else ""
        word = "last look" if done.swept or done.left else "gone"
        told = f"{name}: {running}, {word} after {done.seconds:.1f} s"
        print(f"{told}; left: {list(done.left) or 'nothing'}{swept}", flush=True)
        good &= not done.left
    return good


if __name__ == "__main__":
    sys.exit(main())

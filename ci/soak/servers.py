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
from dataclasses import dataclass
from pathlib import Path

from ci.portable.signatures import Seen, differences, read
from harness.machine.workspace import default
from harness.process.pool import Pool
from harness.tests.serving.left_behind import Watch
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


@dataclass(frozen=True)
class Run:
    """What one run showed: its verdict, its faults' signatures by case, arm and point, and what it left."""

    verdict: str
    signatures: Seen
    seconds: float
    left: Sequence[str]


def _repeated(case: str, runs: int) -> bool:
    """Whether every run passed, left nothing, and showed the signatures of the first one byte for byte."""
    done: list[Run] = []
    parted: list[str] = []
    for number in range(runs):
        done.append(_run(case))
        verdict, seconds, left = done[-1].verdict, done[-1].seconds, done[-1].left
        differs = differences(done[0].signatures, done[-1].signatures)
        parted += differs
        text = f"run {number + 1} of {runs}: {verdict} after {seconds:.0f} s; left: {left or 'nothing'}"
        print("\n  ".join([text, *differs]), flush=True)
    left = [one for run in done for one in run.left]
    shown = len(done[0].signatures)
    print(f"{case}: {dict(Counter(run.verdict for run in done))}, {len(left)} things left behind; ", end="")
    print(f"signatures at {shown} places, {len(parted)} differences from the first run", flush=True)
    return {run.verdict for run in done} == {"PASS"} and not left and not parted and shown > 0


def _run(case: str) -> Run:
    """One run of the command, in a folder for temporary files of its own."""
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        temporary, target = Path(folder, "t"), Path(folder, "result.json")
        temporary.mkdir()
        watch, begun = Watch(temporary), time.monotonic()
        command = [sys.executable, "-m", "harness", "repro", case, "--tier", "server", "--json", str(target)]
        environment = {**os.environ, "TMPDIR": str(temporary)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        seconds, left = time.monotonic() - begun, watch.left()
        verdict = _verdict(target) or f"no verdict (exit {done.returncode}): {done.stderr[-300:]}"
        return Run(verdict, read(target) if target.exists() else {}, seconds, left)


def _verdict(target: Path) -> str | None:
    """The verdict, with its reason where it is a failing one."""
    if not target.exists():
        return None
    (result,) = json.loads(target.read_text(encoding="utf-8"))["results"]
    return "PASS" if result["verdict"] == "PASS" else f"{result['verdict']}: {result['reason']}"


def _injected(names: Sequence[str]) -> bool:
    good, workspace = True, default()
    with Pool(1) as pool:
        for name in names:
            begun = time.monotonic()
            done = injections.inject(name, pool, workspace.models, workspace.new_run() / name)
            word = "as meant" if done.as_meant and not done.left else "WRONG"
            text = f"{name}: {word} after {time.monotonic() - begun:.0f} s: {done.seen}"
            print(f"{text}; left: {list(done.left) or 'nothing'}", flush=True)
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
        text = f"{name}: {running}, {word} after {done.seconds:.1f} s"
        print(f"{text}; left: {list(done.left) or 'nothing'}{swept}", flush=True)
        good &= not done.left
    return good


if __name__ == "__main__":
    sys.exit(main())

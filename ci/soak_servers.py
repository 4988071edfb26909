"""Runs a server case again and again, then harms real servers: the same verdicts, and nothing left behind."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.tests.serving import left_behind
from reproducers.tests import injections

_MARK = "REFAULT_SOAK"


def main() -> int:
    """Prints each run and each injection; 1 if a verdict differs, or is not PASS, or anything is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", default="24394", help="a bug, or a configuration")
    parser.add_argument("--runs", type=int, default=20)
    choices = tuple(injections.ALL)
    parser.add_argument("--inject", action="append", choices=choices, help="these alone; may be repeated")
    parser.add_argument("--no-injections", action="store_true")
    options = parser.parse_args()
    good = _repeated(options.case, options.runs) if options.runs else True
    names = () if options.no_injections else options.inject or choices
    return 0 if good & _injected(names) else 1


def _repeated(case: str, runs: int) -> bool:
    seen: Counter[str] = Counter()
    left: list[str] = []
    for number in range(runs):
        verdict, seconds, leftovers = _run(case)
        seen[verdict] += 1
        left += leftovers
        print(
            f"run {number + 1}: {verdict} after {seconds:.0f} s; left: {leftovers or 'nothing'}", flush=True
        )
    print(f"{case}: {dict(seen)}, {len(left)} things left behind", flush=True)
    return set(seen) == {"PASS"} and not left


def _run(case: str) -> tuple[str, float, list[str]]:
    """The verdict, the seconds it took, and what was left, in a folder for temporary files of its own."""
    mark, begun = secrets.token_hex(8), time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="soak-"))
    target = scratch / "result.json"
    environment = {**os.environ, **left_behind.marking(_MARK, mark), "TMPDIR": str(scratch)}
    command = [sys.executable, "-m", "harness", "repro", case, "--tier", "server", "--json", str(target)]
    before = left_behind.segments()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.monotonic() - begun
    leftovers = left_behind.since(f"{_MARK}={mark}", before)
    leftovers += [path.name for path in scratch.iterdir() if path != target and not _is_cache(path)]
    verdict = _verdict(target) or f"no verdict (exit {done.returncode}): {done.stderr[-300:]}"
    shutil.rmtree(scratch, ignore_errors=True)
    return verdict, seconds, leftovers


def _is_cache(path: Path) -> bool:
    """torch's cache of compiled code, which it keeps there for all programs of a user."""
    return path.name == f"torchinductor_{getpass.getuser()}"


def _verdict(target: Path) -> str | None:
    """The verdict, with its reason where it is a failing one."""
    if not target.exists():
        return None
    (result,) = json.loads(target.read_text())["results"]
    return "PASS" if result["verdict"] == "PASS" else f"{result['verdict']}: {result['reason']}"


def _injected(names: Sequence[str]) -> bool:
    good = True
    for name in names:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            begun = time.monotonic()
            told, as_meant, leftovers = injections.inject(name, Path(folder))
            seconds = time.monotonic() - begun
        word = "as meant" if as_meant and not leftovers else "WRONG"
        print(f"{name}: {word} after {seconds:.0f} s: {told}; left: {leftovers or 'nothing'}", flush=True)
        good &= as_meant and not leftovers
    return good


if __name__ == "__main__":
    sys.exit(main())

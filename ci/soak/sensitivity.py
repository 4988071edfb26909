"""Overwrites pages of served requests' KV caches, a hundred times a model, and counts what is noticed.

With `--record FILE` the trials are kept there as they come in: what is in it is not tried again, so a soak
that was ended goes on with the same command, and pieces (`--from 30 --trials 30`) add up to one whole.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path

from harness.machine.workspace import default
from harness.models import NAMES
from harness.process.job import Ended
from harness.process.pool import Pool
from reproducers.tests import sensitivity
from reproducers.tests.sensitivity import Trial

LEAST = 0.95
_LOOK_EVERY = 1.0


def main() -> int:
    """Prints what was noticed for each model; 1 if it was less than it has to be."""
    options = _options()
    wanted = range(options.first, options.first + options.trials)
    models = dict.fromkeys(options.model or NAMES)
    with Pool(1) as pool:
        passed = [_soak(pool, name, wanted, options.seed, options.record) for name in models]
    return 0 if all(passed) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first trial's number")
    parser.add_argument("--seed", type=int, default=0, help="a trial depends on this and on its number alone")
    parser.add_argument("--model", action="append", choices=NAMES, help="this one only; may be repeated")
    parser.add_argument("--record", type=Path, help="keep trials in this file, and go on from it")
    options = parser.parse_args()
    if options.trials < 1 or options.first < 0:
        parser.error(f"--from {options.first} --trials {options.trials} is no trial: ask for one or more")
    return options


def _soak(pool: Pool, name: str, wanted: Sequence[int], seed: int, record: Path | None) -> bool:
    found = {trial.number: trial for trial in _recorded(record, name, seed)}
    todo = [number for number in wanted if number not in found]
    begun, workspace = time.monotonic(), default()
    folder = workspace.new_run() / name
    future = pool.submit(sensitivity.job(name, workspace.models, folder, todo, seed)) if todo else None
    for trial in _as_they_come(future, folder) if future else ():
        found[trial.number] = trial
        _keep(record, name, seed, trial)
        print(f"{name}: {_progress(trial, found, wanted)}", flush=True)
    whole = sorted(found.values(), key=lambda trial: trial.number)
    print(f"{name}: {sensitivity.told(whole)} ({time.monotonic() - begun:.0f} s)", flush=True)
    ended_well = future is None or _ended_well(name, future.result())
    return ended_well and sum(trial.is_noticed for trial in whole) >= LEAST * len(whole)


def _as_they_come(future: Future[Ended], folder: Path) -> Iterator[Trial]:
    """The arm's trials until it has ended."""
    given, is_over = 0, False
    while not is_over:
        is_over = future.done()  # asked first: what the arm wrote before its end is read after it
        new = sensitivity.read_trials(folder)[given:]
        yield from new
        given += len(new)
        time.sleep(0 if is_over else _LOOK_EVERY)


def _progress(trial: Trial, found: dict[int, Trial], wanted: Sequence[int]) -> str:
    word = "noticed" if trial.is_noticed else "not noticed"
    noticed = sum(each.is_noticed for each in found.values())
    done = sum(number in found for number in wanted)
    return f"trial {trial.number} {word}; {done} of {len(wanted)} done, {noticed} of {len(found)} noticed"


def _ended_well(name: str, ended: Ended) -> bool:
    if ended.exit.how != "clean":
        print(f"{name}: {ended.exit.message or ended.exit.how} (log: {ended.log})", flush=True)
    return ended.exit.how == "clean"


def _recorded(record: Path | None, name: str, seed: int) -> list[Trial]:
    """The trials of this model and seed in the record."""
    lines = record.read_text(encoding="utf-8").splitlines() if record and record.is_file() else []
    kept = [json.loads(line) for line in lines]
    return [Trial(**one["trial"]) for one in kept if (one["model"], one["seed"]) == (name, seed)]


def _keep(record: Path | None, name: str, seed: int, trial: Trial) -> None:
    if record:
        with record.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"model": name, "seed": seed, "trial": asdict(trial)}) + "\n")


if __name__ == "__main__":
    sys.exit(main())

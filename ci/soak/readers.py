"""Gives every reader of foreign bytes spoiled and invented inputs, and keeps those that harm it."""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from harness.tests.hostile import fuzzing, readers
from harness.tests.hostile.fuzzing import Tally

_MEMORY = 3 << 30
"""Bytes of addresses: a runaway meets MemoryError, not the machine's end."""
_EACH = 50
"""Inputs of a reader before the next has its turn."""


def main() -> int:
    """Prints the counts of each reader and every failure; 1 if there was one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rounds", type=int, help="so many turns of each reader, however long they take")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30), help="repeats an earlier soak")
    parser.add_argument("--reader", action="append", help="only this one; repeatable")
    parser.add_argument("--keep", type=Path, default=Path("build/readers"), help="where bad inputs go")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="readers-") as folder:
        tallies = _soak(Path(folder), options.seconds, options.rounds, options.seed, options.reader)
    return _judge(tallies, options.keep)


def _soak(
    folder: Path, seconds: float, rounds: int | None, seed: int, names: list[str] | None
) -> list[Tally]:
    chosen = readers.named(readers.every(folder), names)
    tallies = [Tally(one.name) for one in chosen]
    for reader, tally in zip(chosen, tallies, strict=True):
        fuzzing.whole(reader, folder, tally)
        fuzzing.kinds(reader, folder, tally)
    until, number = float("inf") if rounds else time.monotonic() + seconds, seed
    while number < seed + rounds if rounds else time.monotonic() < until:
        for reader, tally in zip(chosen, tallies, strict=True):
            fuzzing.drive(reader, folder, tally, examples=_EACH, number=number, until=until)
        number += 1
    return tallies


def _judge(tallies: list[Tally], kept: Path) -> int:
    for tally in tallies:
        print(tally.told())
    failures = [line for tally in tallies for line in fuzzing.keep(tally, kept)]
    for line in failures:
        print(line)
    idle = [tally.reader for tally in tallies if not (tally.outcomes["value"] and tally.outcomes["refused"])]
    if idle:
        print(f"these were given nothing that tells them apart from a stub: {', '.join(idle)}")
    return 1 if failures or idle or not tallies else 0


if __name__ == "__main__":
    sys.exit(main())

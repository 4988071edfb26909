"""Kills pools at random moments, many times over, and counts what outlives them."""

from __future__ import annotations

import argparse
import collections
import sys
import time

from harness.tests.process.kill_round import FULL_LOAD, Round, random_rounds

_WEIGHTS = {"parent": 6, "supervisor": 2, "fork-server": 1, "watchdog": 1}


def main() -> int:
    """Prints what was killed and what was left; 1 if anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="repeats an earlier soak's moments"
    )
    options = parser.parse_args()
    print(f"seed {options.seed}")
    return _judge(random_rounds(options.rounds, _WEIGHTS, options.seed))


def _judge(rounds: list[Round]) -> int:
    killed = collections.Counter(each.killed for each in rounds)
    survivors = sum(len(each.survivors) for each in rounds)
    most, slowest = max(each.running for each in rounds), max(each.within for each in rounds)
    for each in rounds:
        if each.survivors or (each.folders and each.killed == "parent"):
            print(f"{each.killed} killed at {each.after:.3f} s left {each.survivors} {each.folders}")
    print("killed:", ", ".join(f"{name} {times}" for name, times in sorted(killed.items())))
    print(f"up to {most} processes; the slowest end took {slowest:.3f} s")
    print(f"{len(rounds)} rounds, {survivors} survivors")
    if most < FULL_LOAD:
        print(f"no round had the {FULL_LOAD} processes of a pool at work: the soak has proved nothing")
        return 1
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

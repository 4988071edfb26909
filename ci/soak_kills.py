"""Kills pools at random moments, many times over, and counts what outlives them."""

from __future__ import annotations

import argparse
import collections
import sys
import time

from harness.tests.process.kill_round import FULL_LOAD, random_rounds

_WEIGHTS = {"parent": 6, "warden": 2, "zygote": 1, "minder": 1}


def main() -> int:
    """Prints what was killed and what was left; 1 if anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="repeats the moments of an earlier soak")
    options = parser.parse_args()
    rounds = random_rounds(options.rounds, _WEIGHTS, options.seed)
    killed = collections.Counter(each.killed for each in rounds)
    survivors = sum(len(each.survivors) for each in rounds)
    for each in rounds:
        if each.survivors or (each.folders and each.killed == "parent"):
            print(f"left after killing the {each.killed} at {each.after:.3f} s: {each.survivors} {each.folders}")
    print(f"seed {options.seed}; killed: {', '.join(f'{name} {times}' for name, times in sorted(killed.items()))}")
    print(f"up to {max(each.running for each in rounds)} processes; slowest end {max(each.within for each in rounds):.3f} s")
    print(f"{len(rounds)} rounds, {survivors} survivors")
    if max(each.running for each in rounds) < FULL_LOAD:
        print(f"no round had the {FULL_LOAD} processes of a pool at work: the soak has proved nothing")
        return 1
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())

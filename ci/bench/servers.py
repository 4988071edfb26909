"""Measures real servers in both arms: how long until they answer, and which share of that is start-up.

The seconds are this machine's, at this moment; the share holds where they do not.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import catalogue, homes
from harness.facts import Tier
from harness.process.job import read_json
from harness.source.tree import installed
from harness.suite import Bench, Judged, Suite, selection
from harness.tiers.server.arm import TIMES

CASES = ("paged_triton", "24394")


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds from a server's start to `ready`, the `first` and the `last` answer, and its `end`."""

    ready: float
    first: float
    last: float
    end: float

    @property
    def share(self) -> float:
        """Of the start-up in all that the server ran."""
        return self.ready / self.end

    def __str__(self) -> str:
        return (
            f"ready {self.ready:.1f} s, first answer {self.first:.1f} s, last answer {self.last:.1f} s, "
            f"gone {self.end:.1f} s; start-up {self.share:.0%}"
        )


def measured(case: str, suite: Suite) -> Iterator[str]:
    """A line for each arm, once both have been judged; SystemExit where the verdict is no success."""
    (request,) = selection.one(catalogue.find(case, catalogue.subjects()), (Tier.SERVER,), (), None)
    (judged,) = suite.run([request])
    if judged.result.failed:
        raise SystemExit(f"bench: {case}: {judged.result.reason}; measure a tree on which it passes")
    for name, folder, seconds in _arms(judged):
        times = Times(**read_json(folder / TIMES))
        yield f"{case}, {name} arm: {times}; whole arm {seconds:.1f} s"


def _arms(judged: Judged) -> Iterator[tuple[str, Path, float]]:
    """(name, folder of its first server, seconds with all it did) of each arm."""
    for name in ("fixed", "reverted"):
        seen = getattr(judged.evidence, name).observation
        if seen is not None:
            yield name, Path(seen.log).parent / "server-0", seen.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=CASES, help="bugs or configurations that have a server")
    options = parser.parse_args()
    with Suite(Bench.here((homes.own(),)).on(installed())) as suite:
        for case in options.cases:
            for line in measured(case, suite):
                print(line, flush=True)


if __name__ == "__main__":
    main()

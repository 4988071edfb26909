"""Judges one tree for a bisection: by the fault that the reproducer expects, never by anything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness import matrix
from harness.bisect.search import Answer, Step
from harness.errors import BadInput
from harness.facts import Reproducer
from harness.matrix import Cell, Status
from harness.observation.rates import Rate
from harness.process.pool import Pool
from harness.source.tree import Tree
from harness.suite import Bench

_CLEAN = (Status.FIXED, Status.NOT_YET_PRESENT)


@dataclass(frozen=True, kw_only=True)
class Prober:
    """Runs a reproducer's default point `repeats` times on the tree of a name.

    `tree` raises BadInput where a tree cannot be made: such a candidate is skipped, and so is one whose
    files are no Python.
    """

    reproducer: Reproducer
    tree: Callable[[str], Tree]
    bench: Bench
    pool: Pool
    repeats: int = 1

    def __call__(self, name: str) -> Step:
        try:
            cells = matrix.published(self.tree(name), self.reproducer, self.bench, self.pool, self.repeats)
        except BadInput as error:  # no such tree, or one that is no Python
            return Step(name=name, answer=Answer.SKIPPED, reason=str(error))
        return judged(name, cells)


def judged(name: str, cells: Sequence[Cell]) -> Step:
    """What several runs of one tree say: the fault once seen makes it bad, good is clean every time."""
    hits = [cell for cell in cells if cell.status is Status.AFFECTED]
    unclear = [cell for cell in cells if cell.status not in (Status.AFFECTED, *_CLEAN)]
    rate = Rate(len(hits), len(cells))
    if hits:
        return Step(name=name, answer=Answer.BAD, reason=hits[0].reason, rate=rate)
    if unclear:
        return Step(name=name, answer=Answer.SKIPPED, reason=unclear[0].reason)
    return Step(name=name, answer=Answer.GOOD, reason="clean", rate=rate)

"""One reproducer on one release, and what its neighbours say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.facts import Reproducer
from harness.observation import Fault
from harness.source.releases import order


class Status(StrEnum):
    """What a published release shows at a reproducer's default point."""

    AFFECTED = "affected"
    FIXED = "fixed"
    NOT_YET_PRESENT = "not-yet-present"
    NOT_APPLICABLE = "not-applicable"
    UNRESOLVED = "unresolved"


class Applies(StrEnum):
    """Whether the reproducer's revert applies to a release that has the fix."""

    APPLIES = "applies"
    STALE = "stale"
    NOT_ASKED = "n/a"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One reproducer on one release. `published` and `reverted` are the watched faults of the two arms."""

    reproducer: Reproducer
    release: str
    status: Status
    revert: Applies = Applies.NOT_ASKED
    reason: str = ""
    published: tuple[Fault, ...] = ()
    reverted: tuple[Fault, ...] | None = None
    problem: str | None = None

    def to_json(self) -> dict[str, str]:
        words = {"status": self.status.value, "revert": self.revert.value, "reason": self.reason}
        return {"reproducer": self.reproducer.id, "release": self.release, **words}


def settled(cells: Sequence[Cell]) -> list[Cell]:
    """The cells by reproducer and release, the clean ones told apart by the affected ones around them."""
    ordered = sorted(cells, key=lambda cell: (cell.reproducer.id, order(cell.release)))
    return [_settle(cell, ordered) for cell in ordered]


def _settle(cell: Cell, cells: Sequence[Cell]) -> Cell:
    """Tell a clean release from before the bug from one that has the fix: by where it lies."""
    if cell.status is not Status.FIXED or cell.revert is Applies.APPLIES:
        return cell
    affected = [order(other.release) for other in same_bug(cell, cells) if other.status is Status.AFFECTED]
    if affected and order(cell.release) > min(affected):
        return cell
    before = order(cell.release) < min(affected) if affected else predates(cell)
    return replace(cell, status=Status.NOT_YET_PRESENT, problem=None) if before else cell


def predates(cell: Cell) -> bool:
    """Whether a release is older than the bug is said to be."""
    since = cell.reproducer.bug.introduced_in
    return since is not None and order(cell.release) < order(since)


def same_bug(cell: Cell, cells: Sequence[Cell]) -> list[Cell]:
    """The cells of one reproducer: on every release."""
    return [other for other in cells if other.reproducer.id == cell.reproducer.id]

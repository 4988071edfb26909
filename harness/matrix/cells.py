"""One reproducer on one release, and what its neighbours say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from harness.facts import Bug
from harness.facts.reproducer import short
from harness.foreign import shown
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


def declared(bug: Bug, release: str) -> Status | None:
    """What a bug's declared range says of a release; None where it says nothing."""
    if order(release) >= order(bug.fixed_in):
        return Status.FIXED
    if bug.introduced_in is None:
        return None
    return Status.AFFECTED if order(release) >= order(bug.introduced_in) else Status.NOT_YET_PRESENT


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One reproducer, by its id, on one release; `bug` is None where it is not known here.

    `retired_since` is the first release without the code of the bug, where upstream has rewritten it.

    `published` and `reverted` are the watched faults of the two arms, which the JSON leaves out.
    """

    reproducer: str
    bug: Bug | None = None
    release: str
    status: Status
    revert: Applies = Applies.NOT_ASKED
    reason: str = ""
    published: tuple[Fault, ...] = ()
    reverted: tuple[Fault, ...] | None = None
    problem: str | None = None
    retired_since: str | None = None

    @property
    def short_id(self) -> str:
        return short(self.reproducer)

    @property
    def declared(self) -> Status | None:
        if self.is_retired:
            return Status.NOT_APPLICABLE
        return declared(self.bug, self.release) if self.bug else None

    @property
    def is_retired(self) -> bool:
        """Whether the release is said to be without the code of the bug."""
        return self.retired_since is not None and order(self.release) >= order(self.retired_since)

    @property
    def differs(self) -> bool:
        """Whether what was measured is another status than the declared one."""
        return self.declared is not None and self.status in _RULED and self.status is not self.declared

    def to_json(self) -> dict[str, str]:
        words = {"status": self.status.value, "revert": self.revert.value, "reason": self.reason}
        return {"reproducer": self.reproducer, "release": self.release, **words}

    @classmethod
    def from_json(cls, row: Mapping[str, Any], bug: Bug | None, retired_since: str | None = None) -> Cell:
        """What `to_json` wrote of a bug. KeyError, TypeError or ValueError where it did not."""
        order(word(row["release"]))  # it has its place among the others
        return cls(
            reproducer=word(row["reproducer"]), bug=bug, release=row["release"], status=Status(row["status"]),
            revert=Applies(row["revert"]), reason=word(row["reason"]),
            retired_since=retired_since,
        )  # fmt: skip


_RULED = (Status.AFFECTED, Status.FIXED, Status.NOT_YET_PRESENT)
"""What a declared range can say of a release."""


def word(told: Any) -> str:
    """A text of the JSON. TypeError for anything else."""
    if not isinstance(told, str):
        raise TypeError(f"{shown(told, 40)} is no text")
    return told


def settled(cells: Sequence[Cell]) -> list[Cell]:
    """The cells by reproducer and release, the clean ones told apart by the affected ones around them."""
    ordered = sorted(cells, key=lambda cell: (cell.reproducer, order(cell.release)))
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
    return cell.declared is Status.NOT_YET_PRESENT


def same_bug(cell: Cell, cells: Sequence[Cell]) -> list[Cell]:
    """The cells of one reproducer: on every release."""
    return [other for other in cells if other.reproducer == cell.reproducer]

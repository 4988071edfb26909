"""Whether undoing a fix shows the bug that affected releases really had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.matrix.cells import Cell, Status, same_bug, word
from harness.observation import Fault, Naming
from harness.source.releases import order


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How a fixed release with the fix undone compares with the newest release that really was affected.

    `missing` and `added` are fault signatures; `only_named` says that just the names of functions,
    kernels or messages differ, as after a refactoring.
    """

    reproducer: str
    release: str
    affected: str
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    only_named: bool = False

    def to_json(self) -> dict[str, Any]:
        told = {"reproducer": self.reproducer, "release": self.release, "affected": self.affected}
        parts = {"missing": list(self.missing), "added": list(self.added)}
        return {**told, "same": self.same, "only_named": self.only_named, **parts}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Likeness:
        """What `to_json` wrote. KeyError or TypeError where it did not."""
        return cls(
            reproducer=word(row["reproducer"]), release=row["release"], affected=row["affected"],
            missing=tuple(row["missing"]), added=tuple(row["added"]), only_named=row["only_named"],
        )  # fmt: skip

    @property
    def same(self) -> bool:
        return not self.missing and not self.added


def likenesses(cells: Sequence[Cell]) -> list[Likeness]:
    """For every reverted arm that faulted: how it compares with the newest affected release."""
    found = []
    for cell in cells:
        if cell.reverted and (real := _newest_affected(cell, cells)):
            found.append(_likeness(cell, real))
    return found


def _newest_affected(cell: Cell, cells: Sequence[Cell]) -> Cell | None:
    affected = [other for other in same_bug(cell, cells) if other.status is Status.AFFECTED]
    return max(affected, key=lambda other: order(other.release), default=None)


def _likeness(cell: Cell, real: Cell) -> Likeness:
    wanted, seen = real.published, cell.reverted or ()
    same = {fault.signature for fault in wanted} & {fault.signature for fault in seen}
    return Likeness(
        reproducer=cell.reproducer,
        release=cell.release,
        affected=real.release,
        missing=tuple(fault.signature for fault in wanted if fault.signature not in same),
        added=tuple(fault.signature for fault in seen if fault.signature not in same),
        only_named=_nameless(wanted) == _nameless(seen),
    )


def _nameless(faults: Sequence[Fault]) -> list[str]:
    return sorted(fault.told(Naming.NONE) for fault in faults)

"""What was measured against what the reproducers declare."""

from __future__ import annotations

from collections.abc import Sequence

from harness.matrix.cells import Cell, Status
from harness.matrix.likeness import Likeness


def disagreements(cells: Sequence[Cell], compared: Sequence[Likeness]) -> list[str]:
    """Where what was measured is not what the reproducers declare; each is a failure."""
    told = [_against_declared(cell) for cell in cells] + [cell.problem for cell in cells]
    unlike = [_unlike(one) for one in compared if not one.same and not one.only_named]
    return [text for text in told if text] + unlike


def _unlike(one: Likeness) -> str:
    parts = [*(f"lacks {text}" for text in one.missing), *(f"adds {text}" for text in one.added)]
    where = f"{one.reproducer} {one.release}"
    return f"{where}: reverted, it does not fault like {one.affected}: {'; '.join(parts)}"


def exit_code(cells: Sequence[Cell], disagreements: Sequence[str]) -> int:
    """1 for a disagreement, 3 where something is left unresolved, else 0."""
    if disagreements:
        return 1
    return 3 if any(cell.status is Status.UNRESOLVED for cell in cells) else 0


def _against_declared(cell: Cell) -> str | None:
    bug = cell.bug
    if bug is None or not cell.differs:
        return None
    range_ = f"introduced in {bug.introduced_in or 'an unknown release'}, fixed in {bug.fixed_in}"
    where = f"{cell.reproducer} {cell.release}"
    return f"{where}: measured {cell.status}, declared {cell.declared} ({range_}): {cell.reason}"

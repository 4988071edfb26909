"""A matrix read back from its JSON: releases against bugs, what was measured beside what is declared."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import foreign
from harness.errors import BadInput
from harness.facts import Reproducer, Subject
from harness.facts.reproducer import short
from harness.matrix import Applies, Cell, Likeness, Status
from harness.report.matrix import likeness_told
from harness.report.terminal.lines import columns
from harness.source.releases import order

MARKS: Mapping[Status, tuple[str, str]] = {
    Status.AFFECTED: ("✗", "bad"),
    Status.FIXED: ("✓", "good"),
    Status.NOT_YET_PRESENT: ("·", "idle"),
    Status.NOT_APPLICABLE: ("⊘", "idle"),
    Status.UNRESOLVED: ("?", "odd"),
}
"""Sign and tone of each status."""
_REVERTS = {Applies.APPLIES: "the fix can be undone", Applies.STALE: "STALE: the fix cannot be undone"}


def undone(cell: Cell) -> str:
    """What came of undoing the fix; empty where it was not asked for."""
    return _REVERTS.get(cell.revert, "")


def against_declared(cell: Cell) -> str:
    """How the declared status stands to the measured one."""
    if cell.declared is None:
        return "nothing declared"
    return "as declared" if cell.status is cell.declared else f"declared {cell.declared}"


@dataclass(frozen=True, kw_only=True)
class Releases:
    """One run of `refault matrix`; `name` is its file's, `likeness` says how reverted arms compare."""

    name: str
    refault: str
    platform: str
    cells: tuple[Cell, ...]
    likeness: tuple[tuple[str, str], ...]
    disagreements: tuple[str, ...]

    @property
    def bugs(self) -> list[str]:
        return list(dict.fromkeys(cell.reproducer for cell in self.cells))

    @property
    def releases(self) -> list[str]:
        """The oldest first."""
        return sorted({cell.release for cell in self.cells}, key=order)

    def at(self, release: str, bug: str) -> Cell | None:
        """What was measured there; None where it was not."""
        return next((one for one in self.cells if (one.release, one.reproducer) == (release, bug)), None)

    def told(self, bug: str) -> list[str]:
        """What each release showed of a bug, once, with the releases that showed it; then the likenesses."""
        places: dict[str, list[str]] = {}
        for one in (one for one in self.cells if one.reproducer == bug):
            places.setdefault(f"{one.status}: {one.reason}", []).append(one.release)
        seen = [f"{', '.join(sorted(where, key=order))}: {what}" for what, where in places.items()]
        return [*seen, *(text for name, text in self.likeness if name == bug)]


def lines(matrix: Releases) -> Iterator[str]:
    """The matrix for a terminal: the table, what each bug showed, every disagreement."""
    rows = [["release", *map(short, matrix.bugs)]]
    rows += [
        [release, *(status_told(matrix.at(release, bug)) for bug in matrix.bugs)]
        for release in matrix.releases
    ]
    yield from columns(rows)
    for bug in matrix.bugs:
        yield from ("", bug, *(f"  {line}" for line in matrix.told(bug)))
    yield ""
    yield from (f"DISAGREES {text}" for text in matrix.disagreements)


def status_told(cell: Cell | None) -> str:
    """A cell in words, with the declared status where that is another."""
    if cell is None:
        return "not measured"
    words = cell.status.value
    return f"{words}, declared {cell.declared}" if cell.differs else words


def split(files: Sequence[Path], subjects: Mapping[str, Subject]) -> tuple[list[Path], list[Releases]]:
    """The files that are not of a matrix, and what the others hold. Raises BadInput for a bad matrix."""
    rest, found = [], []
    for path in files:
        data = _matrix(path)
        if data is None:
            rest.append(path)
        else:
            found.append(_parsed(data, path, subjects))
    return rest, found


def _matrix(path: Path) -> Mapping[str, Any] | None:
    """What a file of a matrix holds; None for any other: whoever reads those says what is wrong with them."""
    try:
        data = foreign.document(path)
    except BadInput:
        if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
            raise  # whoever reads that waits, or never comes to its end
        return None
    return data if isinstance(data, dict) and "matrix" in data else None


def _parsed(data: Mapping[str, Any], path: Path, subjects: Mapping[str, Subject]) -> Releases:
    try:
        likeness = [Likeness.from_json(row) for row in data["likeness"]]
        return Releases(
            name=path.name,
            refault=str(data["refault"]),
            platform=str(data["machine"]["platform"]),
            cells=tuple(_cell(row, subjects.get(row["reproducer"])) for row in data["matrix"]),
            likeness=tuple((one.reproducer, likeness_told(one)) for one in likeness),
            disagreements=tuple(map(str, data["disagreements"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        text = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
        cause = foreign.shown(text, 200)
        problem = f"{foreign.shown(path)}: holds no whole matrix ({cause})"
        raise BadInput(f"{problem}: give a file that `refault matrix --json` wrote") from error


def _cell(row: Mapping[str, Any], subject: Subject | None) -> Cell:
    if not isinstance(subject, Reproducer):
        return Cell.from_json(row, None)
    return Cell.from_json(row, subject.bug, subject.retired_since)

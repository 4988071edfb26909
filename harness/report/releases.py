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
from harness.foreign import shown
from harness.matrix import Applies, Likeness, Status, declared
from harness.report.matrix import likeness_told
from harness.source.releases import order

MARKS: Mapping[Status, tuple[str, str]] = {
    Status.AFFECTED: ("✗", "bad"),
    Status.FIXED: ("✓", "good"),
    Status.NOT_YET_PRESENT: ("·", "idle"),
    Status.NOT_APPLICABLE: ("⊘", "idle"),
    Status.UNRESOLVED: ("?", "odd"),
}
"""Sign and tone of each status."""
_RULED = (Status.AFFECTED, Status.FIXED, Status.NOT_YET_PRESENT)
"""What a declared range can say of a release."""
_REVERTS = {Applies.APPLIES: "the fix can be undone", Applies.STALE: "STALE: the fix cannot be undone"}


@dataclass(frozen=True, kw_only=True)
class Square:
    """One bug on one release: the status measured there, and the one that the reproducer declares.

    `declared` is None where the reproducer says nothing of that release, or is not known here.
    """

    bug: str
    release: str
    status: Status
    revert: Applies
    reason: str
    declared: Status | None

    @property
    def mark(self) -> str:
        return MARKS[self.status][0]

    @property
    def tone(self) -> str:
        return MARKS[self.status][1]

    @property
    def undone(self) -> str:
        """What came of undoing the fix; empty where it was not asked for."""
        return _REVERTS.get(self.revert, "")

    @property
    def differs(self) -> bool:
        """Whether what was measured is another status than the declared one."""
        return self.declared is not None and self.status in _RULED and self.status is not self.declared

    @property
    def against_declared(self) -> str:
        """How the declared status stands to the measured one."""
        if self.declared is None:
            return "nothing declared"
        return "as declared" if self.status is self.declared else f"declared {self.declared}"


@dataclass(frozen=True, kw_only=True)
class Releases:
    """One run of `refault matrix`; `name` is its file's, `likeness` says how reverted arms compare."""

    name: str
    refault: str
    platform: str
    squares: tuple[Square, ...]
    likeness: tuple[tuple[str, str], ...]
    disagreements: tuple[str, ...]

    @property
    def bugs(self) -> list[str]:
        return list(dict.fromkeys(square.bug for square in self.squares))

    @property
    def releases(self) -> list[str]:
        """The oldest first."""
        return sorted({square.release for square in self.squares}, key=order)

    def at(self, release: str, bug: str) -> Square | None:
        """What was measured there; None where it was not."""
        return next((one for one in self.squares if (one.release, one.bug) == (release, bug)), None)

    def told(self, bug: str) -> list[str]:
        """What each release showed of a bug, once, with the releases that showed it; then the likenesses."""
        places: dict[str, list[str]] = {}
        for one in (one for one in self.squares if one.bug == bug):
            places.setdefault(f"{one.status}: {one.reason}", []).append(one.release)
        seen = [f"{', '.join(sorted(where, key=order))}: {what}" for what, where in places.items()]
        return [*seen, *(text for name, text in self.likeness if name == bug)]


def lines(matrix: Releases) -> Iterator[str]:
    """The matrix for a terminal: the table, what each bug showed, every disagreement."""
    rows = [["release", *(bug.partition("_")[0] for bug in matrix.bugs)]]
    rows += [
        [release, *(status_told(matrix.at(release, bug)) for bug in matrix.bugs)]
        for release in matrix.releases
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
    for bug in matrix.bugs:
        yield from ("", bug, *(f"  {line}" for line in matrix.told(bug)))
    yield ""
    yield from (f"DISAGREES {text}" for text in matrix.disagreements)


def status_told(square: Square | None) -> str:
    """A square in words, with the declared status where that is another."""
    if square is None:
        return "not measured"
    words = square.status.value
    return f"{words}, declared {square.declared}" if square.differs else words


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
        likeness = [_likeness(row) for row in data["likeness"]]
        return Releases(
            name=path.name,
            refault=str(data["refault"]),
            platform=str(data["machine"]["platform"]),
            squares=tuple(_square(row, subjects.get(row["reproducer"])) for row in data["matrix"]),
            likeness=tuple((one.reproducer, likeness_told(one)) for one in likeness),
            disagreements=tuple(map(str, data["disagreements"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        text = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
        cause = foreign.shown(text, 200)
        problem = f"{foreign.shown(path)}: holds no whole matrix ({cause})"
        raise BadInput(f"{problem}: give a file that `refault matrix --json` wrote") from error


def _likeness(row: Mapping[str, Any]) -> Likeness:
    return Likeness(
        reproducer=_word(row["reproducer"]), release=row["release"], affected=row["affected"],
        missing=tuple(row["missing"]), added=tuple(row["added"]), only_named=row["only_named"],
    )  # fmt: skip


def _word(told: Any) -> str:
    if not isinstance(told, str):
        raise TypeError(f"{shown(told, 40)} is no text")
    return told


def _release(told: Any) -> str:
    """A release that has its place among the others; ValueError for what has none."""
    order(_word(told))
    return str(told)


def _square(row: Mapping[str, Any], subject: Subject | None) -> Square:
    bug = subject.bug if isinstance(subject, Reproducer) else None
    return Square(
        bug=_word(row["reproducer"]), release=_release(row["release"]), status=Status(row["status"]),
        revert=Applies(row["revert"]), reason=_word(row["reason"]),
        declared=declared(bug, row["release"]) if bug else None,
    )  # fmt: skip

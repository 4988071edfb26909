"""The matrix for people and as JSON: releases against bugs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from harness import __version__
from harness.matrix import Applies, Cell, Likeness
from harness.report.terminal import say
from harness.report.terminal.lines import columns
from harness.source.releases import order

_WORDS = {Applies.APPLIES: "reverts", Applies.STALE: "STALE"}


def show(
    cells: Sequence[Cell], compared: Sequence[Likeness], problems: Sequence[str], console: Console
) -> None:
    """Print the table, then what each bug showed, then every disagreement."""
    say(console, [*_table(cells), "", *_bugs(cells, compared), *_problems(problems)])


def document(
    cells: Sequence[Cell], compared: Sequence[Likeness], problems: Sequence[str], machine: Mapping[str, Any]
) -> dict[str, Any]:
    """The JSON of a matrix; its schema is in docs/releases.md."""
    told = {
        "matrix": [cell.to_json() for cell in cells],
        "likeness": [one.to_json() for one in compared],
        "disagreements": list(problems),
    }
    return {"refault": __version__, "machine": dict(machine), **told}


def _table(cells: Sequence[Cell]) -> list[str]:
    bugs = list(dict.fromkeys(cell.short_id for cell in cells))
    releases = sorted({cell.release for cell in cells}, key=order)
    found = {(cell.release, cell.short_id): _word(cell) for cell in cells}
    rows = [
        ["release", *bugs],
        *([release, *(found.get((release, bug), "") for bug in bugs)] for release in releases),
    ]
    return columns(rows)


def _word(cell: Cell) -> str:
    """The status, and after it what came of undoing the fix."""
    return " ".join(filter(None, (cell.status.value, _WORDS.get(cell.revert))))


def _bugs(cells: Sequence[Cell], compared: Sequence[Likeness]) -> list[str]:
    lines = []
    for bug in dict.fromkeys(cell.reproducer for cell in cells):
        lines.append(bug)
        lines += _told([cell for cell in cells if cell.reproducer == bug])
        lines += [f"  {likeness_told(one)}" for one in compared if one.reproducer == bug]
        lines.append("")
    return lines


def _told(cells: Sequence[Cell]) -> list[str]:
    """Each thing that was seen, once, with the releases that showed it."""
    places: dict[str, list[str]] = {}
    for cell in cells:
        places.setdefault(f"{cell.status}: {cell.reason}", []).append(cell.release)
    return [f"  {', '.join(releases)}: {text}" for text, releases in places.items()]


def likeness_told(one: Likeness) -> str:
    """How a release with its fix undone compares with one that was affected, in one line."""
    if one.same:
        return f"{one.release} reverted faults as {one.affected} does"
    words = [*(f"lacks {text}" for text in one.missing), *(f"adds {text}" for text in one.added)]
    how = "faults as {} does but for names" if one.only_named else "does not fault as {} does"
    return f"{one.release} reverted {how.format(one.affected)}: {'; '.join(words)}"


def _problems(problems: Sequence[str]) -> list[str]:
    return [f"DISAGREES {text}" for text in problems] or ["what was measured agrees with what is declared"]

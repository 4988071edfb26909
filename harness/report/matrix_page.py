"""The matrix as a page of Markdown: a row for each bug, a column for each release."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.facts import Bug
from harness.matrix import Applies, Cell, Status
from harness.report.markdown import escaped
from harness.source.releases import order

_MARKS = {
    Status.AFFECTED: "bug",
    Status.FIXED: "fixed",
    Status.NOT_YET_PRESENT: "·",
    Status.NOT_APPLICABLE: "none",
    Status.UNRESOLVED: "?",
}
_UNDONE = "**fixed**"
_HEAD = f"""# Bugs and releases

What each release of SGLang shows at a bug's default point, as it was published. The page is made by
`refault matrix all --releases all --markdown docs/matrix.md`, and [releases.md](releases.md) says how.

- `bug`: it shows the fault.
- `{_UNDONE}`: it is clean, and with the fix undone it shows the fault; `fixed`: nothing was undone in it.
- `·`: it is from before the bug.
- `none`: it does not have the code of the bug, for the reason below.
- `?`: it could not be measured, for the reason below."""


def page(cells: Sequence[Cell], problems: Sequence[str]) -> str:
    """The whole page; `problems` are the disagreements with what is declared."""
    parts = (iter([_HEAD, ""]), _table(cells), _ranges(cells), _open(cells), _problems(problems))
    return "\n".join(line for part in parts for line in part) + "\n"


def _table(cells: Sequence[Cell]) -> Iterator[str]:
    releases = sorted({cell.release for cell in cells}, key=order)
    yield f"| | {' | '.join(releases)} |"
    yield f"| --- |{' --- |' * len(releases)}"
    for bug in _bugs(cells):
        marks = {cell.release: _mark(cell) for cell in cells if cell.reproducer == bug}
        yield f"| {escaped(bug)} | {' | '.join(marks.get(release, '') for release in releases)} |"


def _bugs(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.reproducer for cell in cells))


def _mark(cell: Cell) -> str:
    return _UNDONE if cell.revert is Applies.APPLIES else _MARKS[cell.status]


def _ranges(cells: Sequence[Cell]) -> Iterator[str]:
    yield from ("", "## Declared and measured", "")
    yield from ("| bug | declared | measured | first shown as |", "| --- | --- | --- | --- |")
    for name in _bugs(cells):
        own = [cell for cell in cells if cell.reproducer == name]
        affected = sorted((c for c in own if c.status is Status.AFFECTED), key=lambda c: order(c.release))
        span = f"{affected[0].release} to {affected[-1].release}" if affected else "no release affected"
        shown = escaped(affected[0].reason) if affected else ""
        yield f"| {escaped(name)} | {_declared(own[0].bug)} | {span} | {shown} |"


def _declared(bug: Bug | None) -> str:
    if bug is None:
        return "not known here"
    return f"{f'from {bug.introduced_in}' if bug.introduced_in else 'always'}, fixed in {bug.fixed_in}"


def _open(cells: Sequence[Cell]) -> Iterator[str]:
    """What could not be measured, and where there is nothing to measure, with the reasons."""
    left = [cell for cell in cells if cell.status in (Status.UNRESOLVED, Status.NOT_APPLICABLE)]
    reasons: dict[tuple[str, Status, str], list[str]] = {}
    for cell in left:
        reasons.setdefault((cell.reproducer, cell.status, cell.reason), []).append(cell.release)
    if reasons:
        yield from ("", "## Not measured", "")
    for (bug, status, reason), releases in reasons.items():
        yield f"- {escaped(bug)}, {status} in {', '.join(releases)}: {escaped(reason)}"


def _problems(problems: Sequence[str]) -> Iterator[str]:
    yield ""
    if not problems:
        yield "What was measured agrees with what is declared."
    yield from (f"- **DISAGREES** {escaped(text)}" for text in problems)

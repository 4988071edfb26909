"""A sweep for people and as JSON: the map, the smallest points, and what else was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from harness import __version__
from harness.facts import Case, Params, Reproducer
from harness.observation.compare import changed_params, named_params, plain
from harness.report.terminal import say
from harness.sweep.chart import Chart
from harness.sweep.outcomes import Outcome
from harness.sweep.survey import Finding, Mismatch, Survey

SHOWN = 5
"""How many mismatches are listed before the rest is only counted."""


def show(reproducer: Reproducer, case: Case, survey: Survey, refused: str, console: Console) -> None:
    """Print the whole; `refused` says how the points were chosen."""
    say(console, _lines(reproducer, case, survey, refused))


def document(
    reproducer: Reproducer, survey: Survey, facts: Mapping[str, Any], head: Mapping[str, Any]
) -> dict[str, Any]:
    """The JSON of a sweep; its schema is in docs/sweep.md. `facts` are tier, seed and the like."""
    told = {
        "reproducer": reproducer.id,
        **facts,
        "points": len(survey.outcomes),
        "biting": survey.biting,
        "map": survey.chart.to_json() if survey.chart else None,
        "mismatches": [
            {"params": one.outcome.params, "predicted": one.predicted} for one in survey.mismatches
        ],
        "smallest": _point(survey.smallest),
        "findings": [_finding(finding) for finding in survey.findings],
    }
    return {"refault": __version__, **head, "sweep": plain(told)}


def command(reproducer: Reproducer, case: Case, params: Params, arm: str | None = None) -> str:
    """The command that shows one point."""
    settings = [f"--set {setting}" for setting in _settings(changed_params(case.default, params))]
    return " ".join(
        [
            "refault repro",
            reproducer.short_id.removeprefix("pr"),
            *([f"--arm {arm}"] if arm else []),
            *settings,
        ]
    )


def _settings(params: Params) -> list[str]:
    return [named_params({name: value}) for name, value in params.items()]


def _lines(reproducer: Reproducer, case: Case, survey: Survey, chosen: str) -> Iterator[str]:
    yield f"{reproducer.id}: the bug bites at {survey.biting} of {len(survey.outcomes)} points ({chosen})"
    if survey.chart:
        yield from ("", *_chart(survey.chart), "")
    yield from _agreement(case, survey)
    if survey.smallest:
        shown = "; ".join(fault.signature for fault in survey.smallest.arms["reverted"].faults)
        yield f"smallest point that bites: {named_params(survey.smallest.params)}: {shown}"
        yield f"  {command(reproducer, case, survey.smallest.params)}"
    yield f"{len(survey.findings) or 'no'} finding{'s' if len(survey.findings) != 1 else ''} in the fixed arm"
    for finding in survey.findings:
        yield f"  {_told(finding, len(survey.outcomes))}"
        yield f"    {command(reproducer, case, finding.smallest.params, 'fixed')}"


def _chart(chart: Chart) -> Iterator[str]:
    """`#` where every point bites, `.` where none does, tenths in between, blank without any point."""
    marks = [[_mark(*cell) for cell in row] for row in chart.cells]
    width = max(map(len, chart.columns))
    margin = max(map(len, chart.rows))
    across = f", {chart.across} across" if chart.across else ""
    yield f"{chart.down} down{across}; # bites, . cannot, 1-9 tenths of the points"
    yield " " * margin + "  " + " ".join(name.rjust(width) for name in chart.columns)
    for name, row in zip(chart.rows, marks, strict=True):
        yield f"{name.rjust(margin)}  " + " ".join(mark.rjust(width) for mark in row)


def _mark(biting: int, points: int) -> str:
    if points == 0:
        return ""
    return "#" if biting == points else "." if biting == 0 else str(min(9, max(1, 10 * biting // points)))


def _agreement(case: Case, survey: Survey) -> Iterator[str]:
    if not survey.mismatches:
        yield "every point agrees with what the reproducer's arithmetic says"
        return
    yield f"MISMATCH at {len(survey.mismatches)} points between the reproducer's arithmetic and what was seen"
    for one in survey.mismatches[:SHOWN]:
        yield f"  {_mismatch(case, one)}"


def _mismatch(case: Case, one: Mismatch) -> str:
    point = named_params(changed_params(case.default, one.outcome.params))
    if one.predicted:
        return f"{point}: said to bite, but clean"
    shown = "; ".join(fault.signature for fault in one.outcome.arms["reverted"].faults)
    return f"{point}: said to be clean, but {shown}"


def _told(finding: Finding, points: int) -> str:
    kind = "watched, off the grid" if finding.watched else "beside what the case watches"
    return f"{finding.fault.signature} ({kind}; {finding.count} of {points} points; the smallest is shown)"


def _point(outcome: Outcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    return {
        "params": outcome.params,
        "faults": [fault.to_json() for fault in outcome.arms["reverted"].faults],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    told = {"fault": finding.fault.to_json(), "watched": finding.watched, "count": finding.count}
    return {**told, "smallest": finding.smallest.params}

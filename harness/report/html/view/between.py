"""Arm against arm: the answers, results and traces in which they differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.observation import Point
from harness.observation.compare import (
    DEFAULT_TOLERANCE,
    Difference,
    one_line,
    trace_difference,
    value_differences,
)
from harness.report.html import tokens
from harness.report.html.view.wording import Capped, cut, named
from harness.verdict import Result

REQUESTS = 12


@dataclass(frozen=True, kw_only=True)
class TokensView:
    """The requests of one point whose answers differ between the arms."""

    where: str
    answered: int
    differing: int
    shown: tuple[tokens.Aligned, ...]


def answers(result: Result) -> Iterator[TokensView]:
    """The points at which requests were answered, with the answers that differ."""
    for where, fixed, reverted in _pairs(result):
        if answered := tokens.answered(fixed):
            found = tokens.differing(fixed, reverted)
            shown = tuple(found[:REQUESTS])
            yield TokensView(where=where, answered=answered, differing=len(found), shown=shown)


def result_differences(result: Result) -> Capped:
    """The declared results in which the arms differ: where, fixed, reverted."""
    rows = [
        (f"{where}: {one.where}" if where != "default point" else one.where, cut(one.golden), cut(one.seen))
        for where, fixed, reverted in _pairs(result)
        for one in _differences(fixed, reverted)
    ]
    return Capped.of(rows)


def _differences(fixed: Point, reverted: Point) -> Iterator[Difference]:
    if fixed.results == reverted.results:
        return
    for name in (*fixed.results, *(name for name in reverted.results if name not in fixed.results)):
        if name == "requests" and tokens.answered(fixed):
            continue  # laid under each other, token by token
        one, other = (point.results.get(name, "absent") for point in (fixed, reverted))
        yield from value_differences(name, one, other, DEFAULT_TOLERANCE)


def parting(result: Result) -> str | None:
    """Where the traces of both arms part at the default point."""
    if not (result.fixed and result.reverted and result.fixed.points and result.reverted.points):
        return None
    parted = trace_difference(result.fixed.main.trace, result.reverted.main.trace, DEFAULT_TOLERANCE)
    if parted is None:
        return "the traces of both arms are alike"
    first = parted.first
    values = f"fixed {cut(first.golden)}, reverted {cut(first.seen)}"
    return (
        f"the traces part at event {parted.index} of {parted.length} ({parted.name}), {first.where}: {values}"
    )


def _pairs(result: Result) -> Iterator[tuple[str, Point, Point]]:
    """The points that both arms show, each named by what sets it apart from the default one."""
    if result.fixed and result.reverted:
        others = {one_line(point.params): point for point in result.reverted.points}
        for point in result.fixed.points:
            if other := others.get(one_line(point.params)):
                yield named(result.fixed.main, point), point, other

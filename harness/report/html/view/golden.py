"""What a result's golden is, and how both arms depart from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.golden import Golden
from harness.observation.compare import DEFAULT_TOLERANCE, finding_differences, one_line, point_differences
from harness.report.html.view.wording import Capped, cut, named
from harness.verdict import Result


@dataclass(frozen=True, kw_only=True)
class GoldenView:
    """What the golden is, and how both arms depart from it; `told` says in one line how it stands."""

    told: str
    provenance: Capped
    differences: Capped


def golden_view(
    result: Result, tree: str | None, golden: Golden | None, problem: str | None
) -> GoldenView | None:
    """How a result from `tree`, a content hash, stands to its golden, or the `problem` with reading that."""
    if problem:
        return GoldenView(told=problem, provenance=Capped.of(()), differences=Capped.of(()))
    if golden is None:
        return None
    rows = list(_departures(result, golden))
    same_tree = golden.provenance.get("tree") == tree
    binds = (
        "recorded on this very tree" if same_tree else "recorded on another tree, so its trace does not bind"
    )
    text = f"{len(rows)} differences from the golden" if rows else "as golden"
    facts = [f"{name}: {value}" for name, value in golden.provenance.items()]
    return GoldenView(told=f"{text}; {binds}", provenance=Capped.of(facts), differences=Capped.of(rows))


def _departures(result: Result, golden: Golden) -> Iterator[tuple[str, str, str, str]]:
    """Each departure: arm and point, where, what the golden has, what was seen."""
    for name, seen in result.arms.items():
        recorded_at = {one_line(one.point.params): one for one in golden.arms.get(name, ())}
        for point in seen.points:
            recorded = recorded_at.get(one_line(point.params))
            if recorded is None or recorded.digest == point.digest:
                continue
            place = f"{name}, {named(seen.main, point)}"
            differences = point_differences(recorded.point, point, DEFAULT_TOLERANCE)
            for one in (*differences, *finding_differences(recorded.point, point)):
                yield place, one.where, cut(one.golden), cut(one.seen)

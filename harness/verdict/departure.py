"""How an arm departs from its golden: in what binds, and in what does not (drift)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.facts import Tolerance
from harness.golden import Golden, GoldenPoint
from harness.observation import Point
from harness.observation.compare import (
    Difference,
    finding_differences,
    naming_differences,
    point_differences,
    trace_difference,
    trace_digest,
)
from harness.verdict.evidence import Evidence
from harness.verdict.kinds import ArmName
from harness.verdict.proof import asked_as, points, unproven
from harness.verdict.wording import at, joined


def binding(case: Evidence, name: ArmName) -> str | None:
    """How this arm departs from its golden in what binds, in one line."""
    if case.reference is None:
        return None
    tolerance, same_tree = case.tolerance, case.is_golden_tree
    for point, golden in _recorded(case, name):
        if _varies(case, name, point):
            continue
        differences = point_differences(golden.point, point, tolerance, names_bind=same_tree)
        texts = [difference.text for difference in differences]
        parted = _parting(golden, point, tolerance) if same_tree else None
        if texts or parted:
            told = joined([*texts, *([parted] if parted else [])])
            remedy = "" if texts else _remedy(case.reference)
            return f"{name} arm differs from its golden{at(case.arm(name), point)}: {told}{remedy}"
    return None


def _varies(case: Evidence, name: ArmName, point: Point) -> bool:
    """Whether what this point shows is declared to depend on the release, and this is another one."""
    if name != "reverted" or case.is_golden_tree or case.expect is None:
        return False
    return case.expected.varies_at(asked_as(case, point))


def _remedy(golden: Golden) -> str:
    """What to do where the trace alone differs, in the golden's own tree: upstream did not change."""
    record = f"refault record {golden.key.reproducer} --tier {golden.key.tier} --update"
    return (
        f"; nothing else differs there: if the reproducer itself was changed, `{record}` replaces its golden"
    )


def _recorded(case: Evidence, name: ArmName) -> Iterator[tuple[Point, GoldenPoint]]:
    """The points of this arm that the golden knows, each with what it holds of them."""
    for point in points(case.arm(name)):
        if case.reference and (golden := case.reference.find(name, point.params)):
            yield point, golden


def _parting(golden: GoldenPoint, point: Point, tolerance: Tolerance) -> str | None:
    """Where the traces part; for a point whose trace was not kept, only that they do."""
    if golden.point.trace:
        parted = trace_difference(golden.point.trace, point.trace, tolerance)
        return parted.text if parted else None
    seen = trace_digest(point.trace)
    kept = Difference("trace (its digest is all that is kept)", golden.trace_digest[:12], seen[:12])
    return None if seen == golden.trace_digest else kept.text


def drift(case: Evidence) -> Iterator[str]:
    """What differs from the golden without binding."""
    for name in case.asked:
        if not unproven(name, case.arm(name)):
            yield from _finding_drift(case, name)
            yield from [] if case.is_golden_tree else _foreign_drift(case, name)


def _finding_drift(case: Evidence, name: ArmName) -> Iterator[str]:
    for point, golden in _recorded(case, name):
        for difference in finding_differences(golden.point, point):
            yield f"{name} arm{at(case.arm(name), point)}: {difference.text}"


def _foreign_drift(case: Evidence, name: ArmName) -> Iterator[str]:
    """What another tree than the golden's may do otherwise: name things, and take other steps."""
    if case.reference is None:
        return
    tolerance = case.tolerance
    recorded = list(_recorded(case, name))
    yield from _first_of(case, name, list(_varied(case, name)), "{} other points lead to something else, too")
    named = [(point, naming_differences(golden.point, point)) for point, golden in recorded]
    texts = [(point, joined([one.text for one in found])) for point, found in named if found]
    yield from _first_of(case, name, texts, "faults at {} other points have other names too")
    parted = [(point, text) for point, golden in recorded if (text := _parting(golden, point, tolerance))]
    yield from _first_of(case, name, parted, "traces of {} other points differ too")


def _varied(case: Evidence, name: ArmName) -> Iterator[tuple[Point, str]]:
    """What the undone fix leads to on this release, where the golden's has it otherwise."""
    for point, golden in _recorded(case, name):
        if _varies(case, name, point):
            found = point_differences(golden.point, point, case.tolerance, names_bind=False)
            if found:
                yield point, joined([one.text for one in found])


def _first_of(case: Evidence, name: ArmName, told: Sequence[tuple[Point, str]], others: str) -> Iterator[str]:
    """One line an arm: the first point of which something is told, and how many others there are."""
    for point, text in told[:1]:
        more = f"; {others.format(len(told) - 1)}" if told[1:] else ""
        yield f"{name} arm{at(case.arm(name), point)}: {text}{more}"

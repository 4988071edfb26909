"""Finds the lane that stored what a disagreement is about: the one point once more, element by element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.observation import Element
from harness.observation.compare import same_params
from harness.process.job import Ended
from harness.suite.judging import Judged
from harness.suite.planning import Planned
from harness.tiers.arms import ArmPlan
from harness.verdict.disagreement import Disagreement
from harness.verdict.wording import as_line

Run = Callable[[ArmPlan], Ended]


def located(case: Planned, judged: Judged, run: Run) -> Judged:
    """The same result, with the lane named in its reason; as it is where no launch wrote something else."""
    found = judged.result.disagreement
    if found is None or found.launch is None:
        return judged
    element = _element(case, found, run)
    told = str(element) if element else "which instruction stored it was not found by running it again"
    reason = as_line(f"{judged.result.reason}; {told}")
    result = replace(judged.result, reason=reason, disagreement=replace(found, element=element))
    return replace(judged, result=result)


def _element(case: Planned, found: Disagreement, run: Run) -> Element | None:
    """The interpreter first: what it left is what the machine code is held against, in its own process."""
    wanted: dict[str, Any] = {"launch": found.launch, "argument": found.argument}
    beside = _told(case.plans["interpreted"], found, wanted, run)
    if beside is None:
        return None
    told = _told(case.plans["fixed"], found, {**wanted, "beside": beside}, run)
    return Element.from_json(told) if told else None


def _told(plan: ArmPlan, found: Disagreement, wanted: Mapping[str, Any], run: Run) -> Any:
    points = [point for point in plan.points if same_params(point, found.params)]
    ended = run(replace(plan, points=points, elements=wanted))
    return (ended.result or {}).get("elements")

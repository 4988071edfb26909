"""Judges a result again by what its arms showed: what it says of itself is no evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.facts import Subject
from harness.machine import Machine
from harness.observation import Observation, Point
from harness.observation.compare import named_params, same_params
from harness.suite import Request, Setting, golden, judge_again, plan
from harness.verdict import ArmName, Result


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What results are held against: the catalogue, and the build in question with the goldens."""

    known: Sequence[Subject]
    setting: Setting

    def problem(self, result: Result, machine: Mapping[str, Any]) -> str | None:
        """Why a result is not what the arms show, in one line; None where it is.

        `machine` is what its document says of where it was made. Raises GoldenError for a golden that
        cannot be read.
        """
        here = Machine.from_json(machine)
        request = self._request(result, here)
        if isinstance(request, str):
            return request
        return next(_problems(result, request, replace(self.setting, machine=here)), None)

    def _request(self, result: Result, machine: Machine) -> Request | str:
        """The case that a result is of, or why there is none."""
        subject = next((one for one in self.known if one.id == result.reproducer), None)
        if subject is None:
            return f"{result.reproducer} is none of the reproducers here"
        if result.tier not in subject.tiers:
            return f"{subject.short_id} has no case in the {result.tier} tier"
        named = (
            Request(reproducer=subject, tier=tier, platform=where).on(machine)
            for tier, where in subject.cases
        )
        found = next((one for one in named if one.key(machine) == result.key), None)
        where = f"a machine of {machine.platform} makes no {result.tier} result for {result.platform}"
        return found or where


def _problems(result: Result, request: Request, setting: Setting) -> Iterator[str]:
    """What is wrong, the plainest first; nothing is judged by arms that are not of the case."""
    if not same_params(result.params, request.points[0]):
        yield f"{named_params(result.params)} is a point given by hand, which proves nothing of the case"
    beside = {"interpreted": result.interpreted} if result.interpreted else {}
    for name, seen in {**result.arms, **beside}.items():
        yield from (f"{name} arm: {problem}" for problem in _misfits(seen, request))
    yield from _departures(result, request, setting)


def _misfits(seen: Observation, request: Request) -> Iterator[str]:
    """Points that are none of the case's, or there twice; faults put aside that the case watches."""
    known, met = request.points, list[Point]()
    for point in seen.points:
        if not any(same_params(point.params, one) for one in known):
            yield f"the case has no point {named_params(point.params)}"
        if any(same_params(point.params, one.params) for one in met):
            yield f"the point {named_params(point.params)} is there twice"
        met.append(point)
        yield from _put_aside(point, request)


def _put_aside(point: Point, request: Request) -> Iterator[str]:
    watch = request.case.watch_on(request.platform)
    for fault in point.findings:
        if watch.judges(fault.kind, fault.buffer):
            yield f"{fault.signature} is put aside as a finding, and the case watches it"


def _departures(result: Result, request: Request, setting: Setting) -> Iterator[str]:
    case = plan(request, golden(request, setting.machine, setting.goldens), setting)
    shown = {**result.arms, "interpreted": result.interpreted}
    for name, planned in case.plans.items():
        if seen := shown.get(name):
            yield from (f"{name} arm: {problem}" for problem in _foreign(seen, planned.tree.content_hash))
    arms: dict[ArmName, Observation] = {}
    for name in case.plans:
        if one := shown.get(name):
            arms[name] = one
    found = judge_again(case, arms, setting).result
    if found.verdict is not result.verdict:
        yield f"it says {_word(result)}, and its arms show {_word(found)}: {found.reason}"
    for what in ("evidence", "configuration", "pr", "issue", "released", "retired"):
        if getattr(found, what) != getattr(result, what):
            yield f"it says {what} {getattr(result, what)}, and is {getattr(found, what)}"


def _foreign(seen: Observation, tree: str) -> Iterator[str]:
    """Attestations of another tree than the one that this arm gets of the build in question."""
    whole = [seen.attestation] if seen.attestation else []
    for one in (*whole, *(inner for outer in whole for inner in outer.processes.values())):
        if one.tree != tree:
            yield f"it attests the tree {one.tree[:12]}, and this build's is {tree[:12]}"


def _word(result: Result) -> str:
    return result.verdict.value if result.verdict else "nothing"

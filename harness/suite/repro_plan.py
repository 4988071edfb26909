"""What `repro` runs of one subject on this machine: which cases, why not the others, how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.facts import Platform, Tier
from harness.golden import GoldenStore
from harness.history import Series
from harness.machine import Machine
from harness.observation.compare import one_line
from harness.source.tree import Tree
from harness.suite import Request, absent, missing
from harness.verdict import Verdict

QUICK = 90.0
"""Seconds that a server may have taken the last time to be run without being asked for."""
_ENDED_EARLY = frozenset({Verdict.UNSUPPORTED, Verdict.UNRESOLVED})
"""Verdicts of runs that say nothing about how long a whole one takes."""


@dataclass(frozen=True, kw_only=True)
class Last:
    """How long each arm took, in seconds by its name, when the case was last run here."""

    at: datetime
    arms: Mapping[str, float]

    def wall(self, lanes: int) -> float:
        """Seconds for both arms, which run side by side where there are lanes for them."""
        return max(self.arms.values()) if lanes > 1 else sum(self.arms.values())


@dataclass(frozen=True, kw_only=True)
class Step:
    """One case: why it cannot run here, and, if it could be run but is not, why and by which command it is.

    `missing` are features that the machine lacks; `absent` says why there is nothing of the bug in the tree.
    """

    request: Request
    platform: Platform
    missing: tuple[str, ...] = ()
    absent: str | None = None
    last: Last | None = None
    put_off: str | None = None
    command: str | None = None

    @property
    def runs(self) -> bool:
        return not self.lacks and self.put_off is None

    @property
    def lacks(self) -> str | None:
        """Why it cannot run here at all, in words."""
        return f"this machine lacks {', '.join(self.missing)}" if self.missing else self.absent


@dataclass(frozen=True, kw_only=True)
class Here:
    """What decides: the tree, the machine, its lanes, what it ran before, and for what it has goldens."""

    tree: Tree

    machine: Machine
    lanes: int
    past: Sequence[Series]
    goldens: GoldenStore


def of(requests: Sequence[Request], here: Here, *, asked: bool) -> list[Step]:
    """A step for each case. Where tiers were `asked` for, everything runs that can.

    Else a server, which takes minutes, runs only where nothing quicker can show the bug here, or where
    it is known to be quick and has a golden to be held against.
    """
    steps = [_step(request.on(here.machine), here) for request in requests]
    quicker = any(step.runs and step.request.tier is not Tier.SERVER for step in steps)
    return [_put_off(step, here) if quicker and not asked else step for step in steps]


def wanted(steps: Sequence[Step]) -> list[Request]:
    """What is handed to the suite: what runs, and what it will find UNSUPPORTED."""
    return [step.request for step in steps if step.runs or step.lacks]


def _step(request: Request, here: Here) -> Step:
    platform = request.platform_on(here.machine)
    lacks, gone = missing(request, here.machine), absent(request, here.tree)
    return Step(request=request, platform=platform, missing=lacks, absent=gone, last=_last(request, here))


def _put_off(step: Step, here: Here) -> Step:
    request = step.request
    if request.tier is not Tier.SERVER or step.lacks:
        return step
    why = _too_long(step, here) or _unrecorded(step, here)
    command = f"refault repro {request.reproducer.short_id} --tier server"
    return Step(request=request, platform=step.platform, last=step.last, put_off=why, command=why and command)


def _too_long(step: Step, here: Here) -> str | None:
    if step.last is None:
        return "a server takes minutes"
    took = step.last.wall(here.lanes)
    return f"it took {took:.0f} s the last time" if took > QUICK else None


def _unrecorded(step: Step, here: Here) -> str | None:
    request = step.request
    if request.by_hand or here.goldens.load(request.key(here.machine)):
        return None
    return f"it has no golden for {step.platform} yet"


def _last(request: Request, here: Here) -> Last | None:
    """The newest run of both arms at these parameters on hardware like this."""
    identity = (request.key(here.machine), one_line(request.points[0]))
    nights = [
        night
        for series in here.past
        if (series.key, series.params) == identity
        for night in series.nights
        if night.hardware == here.machine.hardware
        and night.verdict not in _ENDED_EARLY
        and set(night.arms) >= set(request.asked)
    ]
    newest = max(nights, key=lambda night: night.at, default=None)
    if newest is None:
        return None
    return Last(at=newest.at, arms={name: newest.arms[name].seconds for name in request.asked})

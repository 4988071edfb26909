"""One case to run, and what it means on a machine: its platform, and what it lacks there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.facts import Configuration, Expect, Feature, Reproducer, ServerCase, Subject
from harness.machine import Machine
from harness.tiers import arms
from harness.verdict import BOTH, ArmName


@dataclass(frozen=True, kw_only=True)
class Request:
    """One case to run. `overrides` make it a point by hand, judged without goldens; `given` are
    several such points, written out in full.

    `platform` is one of those that the reproducer names for this tier; None is this machine's. `host` is
    the kind of machine that it runs on, once that is known (`on`): a server's case depends on it.
    """

    reproducer: Subject
    tier: str
    platform: str | None = None
    host: str | None = None
    overrides: Mapping[str, Any] | None = None
    given: tuple[Mapping[str, Any], ...] = ()
    asked: tuple[ArmName, ...] = BOTH

    def __post_init__(self) -> None:
        if isinstance(self.reproducer, Configuration):
            object.__setattr__(self, "asked", BOTH[:1])

    @property
    def case(self) -> Any:
        return self.reproducer.case(self.tier, self.platform, self.host)

    def on(self, machine: Machine) -> Request:
        """The same case as it is on that machine."""
        return replace(self, host=machine.host)

    @property
    def name(self) -> str:
        """The case as folders and progress name it."""
        return ".".join(filter(None, (self.tier, self.platform)))

    @property
    def environment(self) -> str:
        """The kind of environment its arms share."""
        return arms.kind(self.tier, self.platform)

    @property
    def points(self) -> list[dict[str, Any]]:
        case = self.case
        if self.given:
            return [dict(point) for point in self.given]
        return case.points() if self.overrides is None else [{**case.default, **self.overrides}]

    @property
    def by_hand(self) -> bool:
        return self.overrides is not None or bool(self.given)


def platform_of(request: Request, machine: Machine) -> str:
    """The platform that a result, and its golden, is of.

    A kernel case that names no platform runs on the CPU, whatever else the machine has.
    """
    if request.tier == "kernel" and request.platform != machine.host:
        return request.platform or "cpu"
    return machine.platform if request.tier == "kernel" else request.platform or machine.platform


def host_of(request: Request, machine: Machine) -> str:
    """The kind of machine that a case runs on: what its reverted arm shows depends on it."""
    return request.platform or "cpu" if request.tier == "kernel" else machine.host


def expected(request: Request, machine: Machine) -> Expect | None:
    """What its reverted arm is to show here; nothing for a configuration."""
    subject = request.reproducer
    if not isinstance(subject, Reproducer):
        return None
    return subject.expect.at(request.tier, host_of(request, machine))


def missing(request: Request, machine: Machine) -> tuple[str, ...]:
    """The features that a case needs and this machine lacks."""
    on_the_cpu = request.tier == "kernel" and request.platform is None
    own = frozenset({Feature.INTERPRETER} if on_the_cpu else ())
    case = request.on(machine).case
    ranks = case.ranks if isinstance(case, ServerCase) else 1
    return machine.missing(own | request.reproducer.requires | case.requires, ranks)

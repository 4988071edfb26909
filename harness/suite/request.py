"""One case to run, and what it means on a machine: its platform, and what it lacks there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.facts import Configuration, Expect, Reproducer, ServerCase, Subject
from harness.facts.place import CaseKey, Feature, Host, Platform, Tier, runs_on
from harness.machine import Machine
from harness.tiers import arms
from harness.verdict import BOTH, ArmName

_SERVING: Mapping[Host, frozenset[Feature]] = {Host.ROCM: frozenset({Feature.AITER})}
"""What every server of upstream's needs on a kind of machine: with HIP, 0.5.15 imports aiter with its
quantization, whichever attention back end is asked for (quark/schemes/quark_w4a4_mxfp4.py)."""


_BACK_ENDS: Mapping[str, Feature] = {"flashinfer": Feature.FLASHINFER, "aiter": Feature.AITER}
"""The library behind an attention back end, which a server may ask for on one kind of machine alone."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One case to run. `overrides` make it a point by hand, judged without goldens; `given` are
    several such points, written out in full.

    `platform` is one of those that the reproducer names for this tier; None is this machine's. `host` is
    the kind of machine that it runs on, once that is known (`on`): a server's case depends on it. With
    `in_place` the arms run on the tree under test even where the bug is retired there.
    """

    reproducer: Subject
    tier: Tier
    platform: Platform | None = None
    host: Host | None = None
    overrides: Mapping[str, Any] | None = None
    given: tuple[Mapping[str, Any], ...] = ()
    asked: tuple[ArmName, ...] = BOTH
    in_place: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.reproducer, Configuration):
            object.__setattr__(self, "asked", BOTH[:1])

    @property
    def case(self) -> Any:
        here = Platform(self.host) if self.host and self.tier is Tier.SERVER else None
        return self.reproducer.case(self.tier, self.platform or here)

    def on(self, machine: Machine) -> Request:
        """The same case as it is on that machine."""
        return replace(self, host=machine.host)

    @property
    def words(self) -> tuple[str, ...]:
        """The tier, and the platform where the case names one."""
        return (self.tier.value, str(self.platform)) if self.platform else (self.tier.value,)

    @property
    def name(self) -> str:
        """The case as folders and progress name it."""
        return ".".join(self.words)

    def key(self, machine: Machine) -> CaseKey:
        """What its result, and its golden, is called on a machine."""
        return CaseKey(self.reproducer.id, self.tier, self.platform_on(machine))

    def platform_on(self, machine: Machine) -> Platform:
        """Where it runs."""
        return runs_on(self.tier, self.platform, machine.platform)

    @property
    def points(self) -> list[dict[str, Any]]:
        case = self.case
        if self.given:
            return [dict(point) for point in self.given]
        return case.points() if self.overrides is None else [{**case.default, **self.overrides}]

    def environment(self, machine: Machine) -> str:
        """The kind of environment its arms share."""
        return arms.kind(self.tier, self.platform_on(machine))

    @property
    def by_hand(self) -> bool:
        return self.overrides is not None or bool(self.given)


def expected(request: Request, machine: Machine) -> Expect | None:
    """What its reverted arm is to show here; nothing for a configuration."""
    subject = request.reproducer
    if not isinstance(subject, Reproducer):
        return None
    return subject.expect.at(request.tier, request.platform_on(machine))


def missing(request: Request, machine: Machine) -> tuple[str, ...]:
    """The features that a case needs and this machine lacks."""
    platform = request.platform_on(machine)
    interpreted = request.tier is Tier.KERNEL and not platform.host.has_devices  # an emulation is held to it
    own = frozenset({Feature.INTERPRETER} if interpreted else ())
    case, ranks = request.on(machine).case, 1
    if isinstance(case, ServerCase):
        own, ranks = _SERVING.get(machine.host, frozenset()) | _library(case, machine.host), case.ranks
    return machine.missing(own | request.reproducer.requires | case.requires, ranks)


def _library(case: ServerCase, host: Host) -> frozenset[Feature]:
    """The library that the server's attention asks for on a device; a CPU has references for it."""
    asked = {**case.flags, **case.on.get(host, {})}.get("attention-backend", "")
    return frozenset({_BACK_ENDS[asked]} if host.has_devices and asked in _BACK_ENDS else ())

"""One fixed bug, or one configuration: the subjects that are run and judged."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.facts.bug import Bug
from harness.facts.cases import CodegenCase, KernelCase
from harness.facts.checks import author, members, require
from harness.facts.expect import Expect
from harness.facts.kinds import DeclaredKind, declared
from harness.facts.place import Feature, Host, Platform, Tier
from harness.facts.published import Released, Retired
from harness.facts.release import order
from harness.facts.reported import ReportedServer
from harness.facts.revert import Revert
from harness.facts.server import ServerCase

UNNUMBERED = "bug_"
"""How modules of bugs begin whose pull request and issue are not known."""


def short(subject: str) -> str:
    """The shortest name that an id answers to: its number, or all of it."""
    head = subject.partition("_")[0]
    return head if head[-1:].isdigit() else subject


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a reproducer and a configuration have in common: cases, of which there is at least one."""

    requires: frozenset[str] = frozenset()
    """Words of `Feature`: what every case needs. A machine without one gives UNSUPPORTED, and says which."""
    codegen: CodegenCase | None = None
    """The case of the codegen tier."""
    kernel: KernelCase | None = None
    """The case of the kernel tier on the CPU."""
    device: KernelCase | None = None
    """A second case of the kernel tier, for what only a real accelerator can show."""
    server: ServerCase | None = None
    """The case of the server tier."""
    module: str = ""
    """The module's own name. Leave it out: it is taken from the module."""
    title: str = ""
    """The first line of the module's docstring. Leave it out."""
    about: str = ""
    """The module's docstring. Leave it out."""

    def __post_init__(self) -> None:
        require(self.tiers, "reproducer", "has no case in any tier")
        object.__setattr__(self, "requires", members(Feature, self.requires, "requires"))
        module = sys.modules.get(author())
        doc = inspect.cleandoc(getattr(module, "__doc__", None) or "")
        derived = {"module": author(), "title": doc.partition("\n")[0], "about": doc}
        for attribute, value in derived.items():
            object.__setattr__(self, attribute, getattr(self, attribute) or value)

    def case(self, tier: Tier, platform: Platform | None = None) -> Any:
        """The case of one tier and platform, as `platforms` names it or as it was run."""
        if tier is Tier.SERVER and self.server and platform is not None:
            return self.server.on_host(platform.host)
        on_device = tier is Tier.KERNEL and platform is not None and platform.host.has_devices
        return self.device if on_device else getattr(self, tier)

    def platforms(self, tier: Tier) -> tuple[Platform | None, ...]:
        """What a tier is judged for, one result each; `harness.facts.place.runs_on` says what None is."""
        if tier is Tier.CODEGEN and self.codegen:
            return self.codegen.platforms
        if tier is Tier.KERNEL and self.kernel:
            device = self.device.platform if self.device else None
            return None, *self.kernel.emulations, *([Platform(Host(device))] if device else [])
        return (None,)

    @property
    def cases(self) -> tuple[tuple[Tier, Platform | None], ...]:
        """Every case by its tier and platform."""
        return tuple((tier, platform) for tier in self.tiers for platform in self.platforms(tier))

    @property
    def id(self) -> str:
        return self.module.rpartition(".")[2]

    @property
    def tiers(self) -> tuple[Tier, ...]:
        return tuple(tier for tier in Tier if getattr(self, tier, None))

    @property
    def short_id(self) -> str:
        return short(self.id)

    @property
    def declared_kinds(self) -> frozenset[DeclaredKind]:
        """The fault kinds of its package's own that its cases watch."""
        return declared(kind for case in (self.kernel, self.device) if case for kind in case.watch.kinds)


@dataclass(frozen=True, kw_only=True)
class Configuration(Subject):
    """A server configuration without a bug: the tree under test starts in it, answers and stays clean."""

    enters: tuple[str, ...]
    """Functions of which one must be seen to run, so that the configuration is what it says."""

    def __post_init__(self) -> None:
        require(self.server, "configuration.server", "a configuration is one of a server")
        require(self.enters, "configuration.enters", "is empty: nothing would prove what ran")
        super().__post_init__()

    @property
    def short_id(self) -> str:
        return self.id


@dataclass(frozen=True, kw_only=True)
class Reproducer(Subject):
    """One fixed bug, its undoing and its cases: what a module assigns to `REPRODUCER`."""

    bug: Bug
    """What it was."""
    revert: Revert | Released
    """How its fix is undone; or the release that shows the bug, where nothing can be undone."""
    expect: Expect
    """How the undone fix shows, and where."""
    formerly: tuple[str, ...] = ()
    """The functions that held the bug in releases without those that the revert edits, by their qualified
    names: an arm of such a release is attested by entering one of these."""
    retired: Retired | None = None
    """Where both arms run since upstream has rewritten the code away."""
    reported: ReportedServer | None = None
    """The server of the report, to be tried by hand."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            not self.device or (self.kernel and self.device.platform),
            "device",
            "needs a platform, and a kernel case beside it",
        )
        self._check_number()
        self._check_only()
        self._check_declared()
        self._check_releases()

    @property
    def retired_since(self) -> str | None:
        """The first release without the code of the bug; None where all have it."""
        return self.retired.since if self.retired and not self.retired.tier else None

    def _check_declared(self) -> None:
        unwatched = ", ".join(sorted(declared(self.expect.kinds) - self.declared_kinds))
        require(not unwatched, "expect.kind", f"{unwatched} is watched by no kernel case: add it to watch=")

    def _check_releases(self) -> None:
        fixed = order(self.bug.fixed_in)
        if one := self.retired:
            fits = fixed <= order(one.on) < order(one.since)
            require(fits, "retired.on", f"{one.on} is not from {self.bug.fixed_in} on and before {one.since}")
            left = not one.tier or (one.tier in self.tiers and len(self.tiers) > 1)
            require(
                left, "retired.tier", f"{one.tier}: there must be that tier, and another that judges the fix"
            )
        if isinstance(self.revert, Released):
            before = order(self.revert.release) < fixed
            has = f"{self.revert.release} has the fix of {self.bug.fixed_in}: name one before it"
            require(before, "revert.release", has)

    def _check_number(self) -> None:
        numbered = self.bug.pr or self.bug.issue
        problem = f"a bug needs a pull request or an issue number, or a module called {UNNUMBERED}<name>"
        require(numbered or self.id.startswith(UNNUMBERED), "bug.pr", problem)

    def _check_only(self) -> None:
        for field in ("only", "varies"):
            points = getattr(self.expect.reverted, field)
            if isinstance(points, Mapping) and self.kernel:
                unknown = sorted(set(points) - set(self.kernel.params))
                require(not unknown, f"expect.{field}", f"the case takes no parameter {', '.join(unknown)}")
        if self.kernel:
            held = not self.expect.reverted.varies_at(self.kernel.default)
            require(held, "expect.varies", "holds at the default point, which has to show the bug everywhere")

"""The results that a policy requires, and requirements that no result can meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness import catalogue
from harness.errors import BadInput
from harness.facts import CaseKey, Platform, Reproducer, Subject, Tier
from harness.gate.entries import Entry
from harness.gate.policy import ALL, Policy, Requirement
from harness.source.releases import order
from harness.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One result that the policy asks for."""

    subject: Subject
    tier: Tier
    platform: Platform
    requirement: Requirement

    @property
    def key(self) -> CaseKey:
        return CaseKey(self.subject.id, self.tier, self.platform)

    def spares(self, release: str | None) -> str | None:
        """Why it is not asked of a build of that release; None where it is, as of one of no known release."""
        if not self.requirement.asks(release):
            return f"asked from {self.requirement.since} on: {self.requirement.reason}"
        introduced = self.subject.bug.introduced_in if isinstance(self.subject, Reproducer) else None
        if release and introduced and order(release) < order(introduced):
            return f"asked from {introduced} on: that release brought the bug"
        return None

    def entry(self, verdict: Verdict | None, reason: str, remedy: str = "") -> Entry:
        return Entry(**vars(self.key), verdict=verdict, reason=reason, remedy=remedy)


def wanted(policy: Policy, known: Sequence[Subject]) -> list[Wanted]:
    """Everything that the policy asks for and that there is, each once: the first that asks counts."""
    found: dict[CaseKey, Wanted] = {}
    for one in policy.require:
        for tier in one.tiers:
            for subject in _subjects(one, tier, known):
                wish = Wanted(subject=subject, tier=tier, platform=one.platform, requirement=one)
                found.setdefault(wish.key, wish)
    return list(found.values())


def unmet(policy: Policy, known: Sequence[Subject], platforms: Sequence[Platform]) -> tuple[Entry, ...]:
    """What the policy asks for on these platforms and nothing can ever meet. Each blocks."""
    asked = [one for one in policy.require if one.platform in platforms]
    return tuple(entry for one in asked for tier in one.tiers for entry in _unmet(one, tier, known))


def find(name: str, known: Sequence[Subject]) -> Subject | None:
    """The reproducer or configuration of that name; None where there is none."""
    try:
        return catalogue.find(name, known)
    except BadInput:
        return None


def _subjects(requirement: Requirement, tier: Tier, known: Sequence[Subject]) -> Iterator[Subject]:
    named = [find(name, known) for name in requirement.reproducers if name != ALL]
    for subject in known if requirement.reproducers == (ALL,) else named:
        if subject and tier in subject.tiers and _has(subject, tier, requirement.platform):
            yield subject


def _has(subject: Subject, tier: Tier, platform: Platform) -> bool:
    declared = tier is Tier.CODEGEN or platform.emulates
    return not declared or platform in subject.platforms(tier)


def _unmet(requirement: Requirement, tier: Tier, known: Sequence[Subject]) -> Iterator[Entry]:
    if requirement.reproducers == (ALL,):
        if not any(_subjects(requirement, tier, known)):
            problem = f"asks for all {tier} cases for {requirement.platform}, and there is none"
            yield _in_vain(requirement, ALL, tier, problem)
        return
    for name in requirement.reproducers:
        subject = find(name, known)
        if subject is None:
            yield _in_vain(requirement, name, tier, f"names {name}, which is no reproducer")
        elif tier not in subject.tiers:
            problem = f"asks for the {tier} tier, in which {subject.short_id} has no case"
            yield _in_vain(requirement, subject.id, tier, problem)
        elif not _has(subject, tier, requirement.platform):
            problem = (
                f"asks for kernels compiled for {requirement.platform}, for which {subject.short_id} has none"
            )
            yield _in_vain(requirement, subject.id, tier, problem)


def _in_vain(requirement: Requirement, name: str, tier: Tier, problem: str) -> Entry:
    return Entry(
        reproducer=name,
        tier=tier,
        platform=requirement.platform,
        reason=f"{requirement.where} {problem}",
        remedy="write one, or correct the entry",
    )

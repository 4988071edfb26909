"""Verdicts that do not block for a time. An expired entry blocks, and so does one that names nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from harness.facts import Subject
from harness.gate.entries import Entry
from harness.gate.policy import Policy, Quarantine
from harness.gate.wanted import find


def split(
    entries: Sequence[Entry], policy: Policy, known: Sequence[Subject], today: date
) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """What blocks, and what would but for a quarantine. A result that is missing cannot be quarantined."""
    blocking, quarantined = [], []
    for entry in entries:
        over = next((one for one in policy.quarantine if _covers(one, entry, known, today)), None)
        if over is None:
            blocking.append(entry)
        else:
            text = f"{entry.reason}; quarantined until {over.expires} by {over.owner}: {over.reason}"
            quarantined.append(replace(entry, reason=text, remedy=""))
    return tuple(blocking), tuple(quarantined)


def faulty(policy: Policy, known: Sequence[Subject], today: date) -> Iterator[Entry]:
    """An entry for every quarantine that has expired or that can cover nothing."""
    for one in policy.quarantine:
        subject = find(one.reproducer, known)
        if problem := _mistake(one, subject, policy):
            yield _entry(one, subject, f"{one.where} {problem}", "correct or remove it")
        elif today > one.expires:
            problem = f"{one.where}, owned by {one.owner}, expired on {one.expires} ({one.reason})"
            yield _entry(one, subject, problem, "remove it, or have its owner renew it")


def _covers(one: Quarantine, entry: Entry, known: Sequence[Subject], today: date) -> bool:
    subject = find(one.reproducer, known)
    same = subject is not None and subject.id == entry.reproducer
    place = one.tier in (None, entry.tier) and one.platform in (None, entry.platform)
    return same and place and today <= one.expires and entry.verdict is not None


def _mistake(one: Quarantine, subject: Subject | None, policy: Policy) -> str | None:
    if subject is None:
        return f"names {one.reproducer}, which is no reproducer"
    if one.tier and one.tier not in subject.tiers:
        return f"names the {one.tier} tier, in which {subject.short_id} has no case"
    if one.platform and one.platform not in policy.platforms:
        return f"names {one.platform}, of which the policy asks nothing"
    return None


def _entry(one: Quarantine, subject: Subject | None, reason: str, remedy: str) -> Entry:
    return Entry(
        reproducer=subject.id if subject else one.reproducer,
        tier=one.tier or "any",
        platform=one.platform or "any",
        reason=reason,
        remedy=remedy,
    )

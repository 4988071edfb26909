"""May it be released? The policy held against the results, with a reason for everything that blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from harness.errors import BadInput
from harness.facts import CaseKey, Platform, Subject
from harness.gate import quarantine, remedies
from harness.gate.entries import Entry, line
from harness.gate.policy import ALL, Bounds, Policy
from harness.gate.results import Build, Results, Row
from harness.gate.wanted import Wanted, unmet, wanted
from harness.verdict import EvidenceClass, Verdict


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer. `blocking` is empty where it passes.

    `quarantined` would have blocked, `let_through` are failures that the policy permits, `passed` did what
    was asked, `not_yet_asked` was asked of later releases only, of `unasked` failures nothing is asked.
    `retired` holds on a release of its own, and says nothing of this build.
    """

    build: Build
    policy: Policy
    platforms: tuple[Platform, ...]
    blocking: tuple[Entry, ...] = ()
    quarantined: tuple[Entry, ...] = ()
    let_through: tuple[Entry, ...] = ()
    passed: tuple[Entry, ...] = ()
    not_yet_asked: tuple[Entry, ...] = ()
    unasked: tuple[Entry, ...] = ()
    retired: tuple[Entry, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        return "block" if self.blocking else "pass"

    @property
    def lists(self) -> dict[str, tuple[Entry, ...]]:
        """All entries, under the names that decision.json has for them."""
        return {
            "blocking": self.blocking,
            "quarantined": self.quarantined,
            "borne": self.let_through,
            "passed": self.passed,
            "spared": self.not_yet_asked,
            "beside": self.unasked,
            "retired": self.retired,
        }

    def to_json(self) -> dict[str, Any]:
        """The content of decision.json."""
        return {
            "decision": self.word,
            **{name: [entry.to_json() for entry in entries] for name, entries in self.lists.items()},
            "sglang": {"release": self.build.release, "version": self.build.version, "tree": self.build.tree},
            "policy": {"name": self.policy.name, "sha256": self.policy.digest},
            "platforms": list(map(str, self.platforms)),
            "results": list(self.sources),
        }


def decide(
    policy: Policy,
    results: Results,
    known: Sequence[Subject],
    today: date,
    platforms: Sequence[Platform] = (),
) -> Decision:
    """The decision on one build.

    `known` is the catalogue; `platforms` narrows the question to these of the policy's. BadInput for
    a platform of which the policy asks nothing.
    """
    asked = _asked(policy, platforms)
    wishes = [wish for wish in wanted(policy, known) if wish.platform in asked]
    spared = [(wish, why) for wish in wishes if (why := wish.spares(results.build.release))]
    wanting = [wish for wish in wishes if not wish.spares(results.build.release)]
    judged = [_judge(wish, policy, results) for wish in wanting]
    failed = [one.entry for one in judged if one.blocks]
    permitted = [one.entry for one in judged if not one.blocks and not one.retired]
    blocking, quarantined = quarantine.split(failed, policy, known, today)
    mistakes = (*unmet(policy, known, asked), *quarantine.faulty(policy, known, today))
    refused = tuple(map(_refused, results.refused))
    return Decision(
        build=results.build,
        policy=policy,
        platforms=asked,
        blocking=(*refused, *blocking, *mistakes) or _nothing(judged),
        quarantined=quarantined,
        let_through=tuple(entry for entry in permitted if entry.verdict is not Verdict.PASS),
        passed=tuple(entry for entry in permitted if entry.verdict is Verdict.PASS),
        not_yet_asked=tuple(wish.entry(None, why) for wish, why in spared),
        unasked=_unasked(results, {wish.key for wish in wanting}),
        retired=tuple(one.entry for one in judged if one.retired and not one.blocks),
        sources=results.sources,
    )


def _asked(policy: Policy, platforms: Sequence[Platform]) -> tuple[Platform, ...]:
    for platform in platforms:
        if platform not in policy.platforms:
            have = ", ".join(map(str, policy.platforms))
            raise BadInput(f"--platform {platform}: {policy.name} asks nothing of it: it has {have}")
    return tuple(dict.fromkeys(platforms)) or policy.platforms


# --- one result ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Judged:
    entry: Entry
    blocks: bool
    retired: bool = False


def _judge(wish: Wanted, policy: Policy, results: Results) -> _Judged:
    rows = [row for row in results.rows if row.asked == wish.key and row.verdict]
    if not rows:
        reason = _why_missing(wish, results)
        return _Judged(wish.entry(None, reason, remedies.missing(wish, results.build)), True)
    # A case for the platform and one for its whole family are two things that must both hold.
    groups = {row.platform: [one for one in rows if one.platform == row.platform] for row in rows}
    judged = [_unproven(wish, rows, results.build)] if any(map(_doubt, rows)) else []
    judged += [_judge_runs(wish, policy, group, results.build) for group in groups.values()]
    found = next((one for one in judged if one.blocks), judged[0])
    weakest = EvidenceClass.weakest(row.evidence for row in rows)
    # Where it fails, the reproducer is no longer what it was on its own release: that blocks as ever.
    elsewhere = any(row.retired for row in rows)
    return replace(found, entry=replace(found.entry, evidence=weakest), retired=elsewhere)


def _unproven(wish: Wanted, rows: Sequence[Row], build: Build) -> _Judged:
    """A result that does not count; that others do does not make up for it."""
    reason, remedy = next(filter(None, map(_doubt, rows))), remedies.missing(wish, build)
    return _Judged(replace(wish.entry(None, reason, remedy), lacking="unproven"), True)


def _doubt(row: Row) -> str | None:
    """Why a result does not count, whatever it says; None where it does."""
    if row.problem:
        return f"cannot be judged again: {line(row.problem)}"
    if row.evidence.counts_for(row.asked.platform):
        return None
    return f"its evidence is {row.evidence}, which counts for the cpu alone and not for {row.asked.platform}"


def _why_missing(wish: Wanted, results: Results) -> str:
    if not results.machines:
        return "no results at all"
    if wish.platform not in (*results.machines, *(row.asked.platform for row in results.rows)):
        return f"no results from {wish.platform}, only from {', '.join(map(str, results.machines))}"
    return "it was not run, or with one arm only"


def _judge_runs(wish: Wanted, policy: Policy, rows: Sequence[Row], build: Build) -> _Judged:
    """Several runs of one case: none is dropped, and each bound holds over all of them."""
    bounds, count = wish.requirement.bounds, len(rows)
    for verdict in Verdict:  # in the order of the table
        shown = [row for row in rows if row.verdict is verdict]
        if shown and verdict in policy.block and _beyond(verdict, len(shown) / count, bounds):
            remedy = remedies.of(verdict, wish, build)
            return _Judged(wish.entry(verdict, _told(shown, count), remedy), True)
    if count < bounds.repeats:
        reason = f"run {count} of {bounds.repeats} times that the policy asks for"
        return _Judged(wish.entry(rows[0].verdict, reason, "run it more often, and merge the results"), True)
    first = [row for row in rows if row.verdict is Verdict.PASS] or rows
    return _Judged(wish.entry(first[0].verdict, _told(first, count)), False)


def _told(shown: Sequence[Row], count: int) -> str:
    often = f" (in {len(shown)} of {count} runs)" if count > 1 else ""
    return f"{line(shown[0].reason)}{often}"


def _beyond(verdict: Verdict, share: float, bounds: Bounds) -> bool:
    """Whether this share of runs with a blocking verdict is more than the policy bears."""
    lost = dict.fromkeys((Verdict.REGRESSED, Verdict.UNFIXED), bounds.fixed_faults)
    permitted = {**lost, Verdict.TOOTHLESS: 1 - bounds.reverted_faults}
    return share > permitted.get(verdict, 0.0) + 1e-9


# --- what else is said -----------------------------------------------------------------------


def _nothing(judged: Sequence[_Judged]) -> tuple[Entry, ...]:
    """A gate through which nothing passed proved nothing."""
    if any(one.entry.verdict is Verdict.PASS and not (one.blocks or one.retired) for one in judged):
        return ()
    remedy = "see that the policy asks something of this build"
    return (Entry(reproducer=ALL, reason="not one result is a PASS", remedy=remedy),)


def _refused(told: tuple[str, str]) -> Entry:
    """A file that does not count: whoever gave it meant it to."""
    source, why = told
    return Entry(
        reproducer=ALL, lacking="refused", reason=f"{source} does not count: {why}",
        remedy="sign it with --sign where it is made, or leave it out",
    )  # fmt: skip


def _unasked(results: Results, wanting: set[CaseKey]) -> tuple[Entry, ...]:
    """Failures of which the policy asks nothing: they do not decide, and are not hidden either."""
    failed = [row for row in results.rows if _doubt(row) or (row.verdict and not row.verdict.success)]
    return tuple(_as_entry(row) for row in failed if row.asked not in wanting)


def _as_entry(row: Row) -> Entry:
    if doubt := _doubt(row):
        return Entry(**vars(row.asked), lacking="unproven", reason=doubt)
    return Entry(**vars(row.asked), verdict=row.verdict, evidence=row.evidence, reason=line(row.reason))

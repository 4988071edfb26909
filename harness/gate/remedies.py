"""What to do about a verdict that blocks, in one line."""

from __future__ import annotations

from harness.facts import CPU, Reproducer, Tier
from harness.gate.results import Build
from harness.gate.wanted import Wanted
from harness.verdict import Verdict


def of(verdict: Verdict, wish: Wanted, build: Build) -> str:
    """The next step of whoever is told of this verdict."""
    if verdict in (Verdict.REGRESSED, Verdict.UNFIXED):
        return _fix(verdict, wish, build)
    word, look = wish.subject.short_id, look_at(wish, build)
    return {
        Verdict.UNSUPPORTED: f"run it on a machine of {wish.platform} that has it, and merge the results",
        Verdict.STALE: f"give the revert a form for this build (docs/reverts.md): `refault show {word}`",
        Verdict.TOOTHLESS: f"the reproducer proves nothing here, mend it: {look}",
        Verdict.CHANGED: f"see what changed, then `refault record {word} --update`: {look}",
        Verdict.UNRECORDED: f"record it on {wish.platform} and have it reviewed (docs/runbook-goldens.md)",
        Verdict.UNRESOLVED: f"read the arm's log and mend the machine: {look}",
    }[verdict]


def missing(wish: Wanted, build: Build) -> str:
    """How to get a result that is not there."""
    command = f"`refault gate --platform {wish.platform} --sglang {build.release or 'PATH'} --report DIR`"
    anywhere = wish.tier is Tier.CODEGEN or (wish.tier, wish.platform) == (Tier.KERNEL, CPU)
    place = "anywhere" if anywhere else f"on {wish.platform}"
    return f"run {command} {place} with this policy, then --merge its results.json with these"


def look_at(wish: Wanted, build: Build) -> str:
    """The command that shows both arms on this build."""
    return f"`refault repro {wish.subject.short_id} --tier {wish.tier} --sglang {build.release or 'PATH'}`"


def _fix(verdict: Verdict, wish: Wanted, build: Build) -> str:
    """What to do about a fault in the fixed arm: take the fix over, or find what undid it."""
    look = look_at(wish, build)
    if not isinstance(wish.subject, Reproducer):
        return f"see it with {look}"
    bug = wish.subject.bug
    fix = f"#{bug.pr}" if bug.pr else f"the fix of issue #{bug.issue}" if bug.issue else "the fix"
    if verdict is Verdict.UNFIXED:
        return f"take over {fix}, which upstream has since {bug.fixed_in}; see it with {look}"
    return f"upstream has {fix} since {bug.fixed_in}, and this build lost it; see it with {look}"

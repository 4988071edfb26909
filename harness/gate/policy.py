"""What a release must show before it may go out, as a TOML file says it. See docs/gate.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from harness.facts import Platform, Tier
from harness.gate import tables
from harness.gate.tables import Table
from harness.source import releases
from harness.verdict import Verdict

DEFAULT = Path(__file__).with_name("default.toml")
"""The policy of a release: evidence from real GPUs."""

ALL = "all"
_NEVER_EVIDENCE = frozenset(Verdict) - {Verdict.PASS}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How often something must be run, and what share of the runs may show which.

    `fixed_faults` is the largest share of runs whose fixed arm may fail (REGRESSED, UNFIXED),
    `reverted_faults` the smallest share whose reverted arm must bite (not TOOTHLESS).
    """

    repeats: int = 1
    fixed_faults: float = 0.0
    reverted_faults: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """Reproducers (ids, short ids or numbers; or ALL that have the tier) that must show their verdicts.

    `since` is the first release of which it is asked, `reason` why earlier ones are spared.
    """

    where: str
    platform: Platform
    tiers: tuple[Tier, ...]
    reproducers: tuple[str, ...]
    bounds: Bounds = field(default_factory=Bounds)
    since: str | None = None
    reason: str | None = None

    def asks(self, release: str | None) -> bool:
        """Whether it is asked of a build of that release; one of no known release is never spared."""
        number = releases.parse(release or "")
        return self.since is None or number is None or releases.order(number) >= releases.order(self.since)


@dataclass(frozen=True, kw_only=True)
class Quarantine:
    """Verdicts that do not block until the end of the day `expires`; no tier or platform means any."""

    where: str
    reproducer: str
    owner: str
    reason: str
    expires: date
    tier: Tier | None = None
    platform: Platform | None = None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """`block` are the verdicts that block; `digest` is the sha256 of the file.

    Results that are older than `max_age_days` do not count.
    """

    name: str
    digest: str
    require: tuple[Requirement, ...]
    block: frozenset[Verdict] = _NEVER_EVIDENCE
    quarantine: tuple[Quarantine, ...] = ()
    max_age_days: int = 30

    @property
    def platforms(self) -> tuple[Platform, ...]:
        return tuple(dict.fromkeys(one.platform for one in self.require))


def load(path: Path) -> Policy:
    """Read and check a policy file. BadInput names the key and the remedy."""
    table, digest = tables.read(path)
    bounds = _bounds(table, table.table("rates"), Bounds())
    policy = Policy(
        name=path.name,
        digest=digest,
        block=_block(table),
        require=tuple(_requirement(one, bounds) for one in table.tables("require")),
        quarantine=tuple(map(_quarantine, table.tables("quarantine"))),
        max_age_days=table.count("max_age_days", Policy.max_age_days),
    )
    table.done()
    if not policy.require:
        raise table.bad("require", "is missing: a gate that requires nothing is none")
    return policy


def _block(table: Table) -> frozenset[Verdict]:
    words = table.texts("block", sorted(_NEVER_EVIDENCE))
    strangers = [word for word in words if word not in {verdict.value for verdict in _NEVER_EVIDENCE}]
    if strangers:
        known = ", ".join(sorted(_NEVER_EVIDENCE))
        raise table.bad("block", f"{strangers[0]!r} is no verdict that can block: it takes {known}")
    if Verdict.REGRESSED not in words:
        raise table.bad("block", "lacks REGRESSED: to let one bug through for a time, quarantine it")
    return frozenset(map(Verdict, words))


def _bounds(table: Table, rates: Table, default: Bounds) -> Bounds:
    """Bounds from `repeats` of one table and the two shares of another, which may be the same."""
    found = Bounds(
        repeats=table.count("repeats", default.repeats),
        fixed_faults=rates.share("fixed_faults", default.fixed_faults),
        reverted_faults=rates.share("reverted_faults", default.reverted_faults),
    )
    if rates is not table:
        rates.done()
    return found


def _requirement(table: Table, default: Bounds) -> Requirement:
    found = Requirement(
        where=table.where,
        platform=table.word("platform", table.text("platform"), Platform.parse),
        tiers=tuple(table.word("tiers", word, Tier) for word in table.texts("tiers")),
        reproducers=_reproducers(table),
        bounds=_bounds(table, table, default),
        since=table.optional_text("since"),
        reason=table.optional_text("reason"),
    )
    table.done()
    if found.since and releases.parse(found.since) is None:
        raise table.bad("since", f"{found.since!r} is no release: write one such as 0.5.13")
    if bool(found.since) != bool(found.reason):
        raise table.bad(
            "since", "needs a reason beside it, and a reason needs it: say why earlier ones are spared"
        )
    return found


def _reproducers(table: Table) -> tuple[str, ...]:
    if table.data.get("reproducers") == ALL:
        return (table.text("reproducers"),)
    return table.texts("reproducers")


def _quarantine(table: Table) -> Quarantine:
    found = Quarantine(
        where=table.where,
        reproducer=table.text("reproducer"),
        owner=table.text("owner"),
        reason=table.text("reason"),
        expires=table.day("expires"),
        tier=table.optional_word("tier", Tier),
        platform=table.optional_word("platform", Platform.parse),
    )
    table.done()
    return found

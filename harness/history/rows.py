"""The rows in which the store keeps a document, and the series that are read out of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from statistics import median
from typing import NamedTuple

from harness.documents import Document
from harness.facts import CaseKey, Platform, Tier
from harness.history.line import Home, home_of
from harness.history.series import ArmNight, Night, Series
from harness.observation.compare import one_line
from harness.verdict import SEVERITY, EvidenceClass, Result, Verdict


class Row(NamedTuple):
    """One verdict with its run, its columns in the order in which the store selects them."""

    reproducer: str
    tier: str
    platform: str
    params: str
    run: int
    at: str
    sglang: str | None
    origin: str | None
    tree: str | None
    root: str | None
    branch: str | None
    machine: str
    verdict: str
    reason: str
    seconds: float
    fixed_seconds: float | None
    fixed_faults: int
    fixed_runs: int
    reverted_seconds: float | None
    reverted_faults: int
    reverted_runs: int
    evidence: str | None

    @property
    def key(self) -> CaseKey:
        return CaseKey(self.reproducer, Tier(self.tier), Platform.parse(self.platform))

    @property
    def home(self) -> Home:
        told = {name: getattr(self, name) for name in ("origin", "tree", "root", "branch")}
        return home_of(self.machine, version=self.sglang, **told)


def run_row(document: Document) -> tuple[str | None, ...]:
    """What is kept of a document as a whole."""
    told = (document.sglang.get(name) for name in ("version", "origin", "tree", "root", "branch"))
    return (document.digest, document.at.isoformat(), document.refault, *told, one_line(document.machine))


def verdict_row(result: Result) -> tuple[str | float | None, ...]:
    """What is kept of one result, which has a verdict."""
    identity = (*result.key.to_json().values(), one_line(result.params))
    assert result.verdict is not None  # the caller leaves those out
    arms = (*_arm_row(result, "fixed"), *_arm_row(result, "reverted"))
    return (*identity, result.verdict.value, result.reason, result.seconds, *arms, result.evidence.value)


def _arm_row(result: Result, name: str) -> tuple[float | None, int, int]:
    """Seconds, faulting runs and runs of an arm; a result that is no sum of repeats is one run."""
    arm, rate = result.arms.get(name), result.rates.get(name)
    if arm is None:
        return None, 0, 0
    if rate:
        return arm.seconds, int(rate["faults"]), int(rate["runs"])
    whole = arm.unresolved is None
    return arm.seconds, int(whole and any(point.faults for point in arm.points)), int(whole)


def series(rows: Iterable[Row]) -> list[Series]:
    """The series that rows make. Those of one run stand together, and runs come the oldest first."""
    return [_series(list(own)) for _, own in groupby(sorted(rows, key=_identity), key=_identity)]


def _identity(row: Row) -> tuple[str, ...]:
    home = row.home
    return row.reproducer, row.tier, row.platform, home.line, home.host, row.params


def _series(rows: Sequence[Row]) -> Series:
    """One night for each run; its rows are the repeats."""
    one = rows[0]
    return Series(
        key=one.key, line=one.home.line, host=one.home.host, params=one.params,
        nights=tuple(_night(list(repeats)) for _, repeats in groupby(rows, key=lambda row: row.run)),
    )  # fmt: skip


def _night(repeats: Sequence[Row]) -> Night:
    run = repeats[0]
    worst = max(repeats, key=lambda row: SEVERITY.index(Verdict(row.verdict)))
    arms = {
        "fixed": _arm([(row.fixed_seconds, row.fixed_faults, row.fixed_runs) for row in repeats]),
        "reverted": _arm([(row.reverted_seconds, row.reverted_faults, row.reverted_runs) for row in repeats]),
    }
    return Night(
        at=datetime.fromisoformat(run.at).astimezone(UTC), sglang=run.sglang, tree=run.tree,
        hardware=run.home.hardware, verdict=Verdict(worst.verdict), reason=worst.reason,
        seconds=median(row.seconds for row in repeats), evidence=_evidence(repeats),
        arms={name: arm for name, arm in arms.items() if arm},
    )  # fmt: skip


def _evidence(repeats: Sequence[Row]) -> EvidenceClass | None:
    """The weakest class of the repeats; None where it was not kept of one."""
    told = [EvidenceClass(row.evidence) for row in repeats if row.evidence is not None]
    return EvidenceClass.weakest(told) if len(told) == len(repeats) else None


def _arm(repeats: Sequence[tuple[float | None, int, int]]) -> ArmNight | None:
    """An arm's repeats as (seconds, faults, runs) in one; those in which it was not seen have no seconds."""
    seen = [(seconds, faults, runs) for seconds, faults, runs in repeats if seconds is not None]
    if not seen:
        return None
    times, faults, runs = zip(*seen, strict=True)
    return ArmNight(seconds=median(times), faults=sum(faults), runs=sum(runs))

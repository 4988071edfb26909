"""What is kept of one case from night to night."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from harness.facts import CaseKey, OfCase
from harness.verdict import EvidenceClass, Verdict


@dataclass(frozen=True, kw_only=True)
class ArmNight:
    """One arm in one night: in how many of its runs it faulted; seconds are the median over the rows."""

    seconds: float
    faults: int
    runs: int


@dataclass(frozen=True, kw_only=True)
class Night:
    """What one run showed of one series. Where it has several results of it, their worst verdict stands.

    `arms` has the arms that were observed, by name; `hardware` is what they ran on, empty if it is not known.
    `evidence` is the weakest class of its results; None for a run kept by a version that did not keep it.
    """

    at: datetime
    sglang: str | None
    tree: str | None
    verdict: Verdict
    reason: str
    seconds: float
    arms: Mapping[str, ArmNight]
    hardware: str = ""
    evidence: EvidenceClass | None = None

    @property
    def word(self) -> str:
        """The verdict, with its evidence where that is less than a fault seen on the real thing."""
        less = self.evidence not in (None, EvidenceClass.FAULT)
        return f"{self.verdict.value} ({self.evidence})" if less else self.verdict.value


@dataclass(frozen=True, kw_only=True)
class Series(OfCase):
    """All nights of one case, line, host and set of parameters, the oldest first.

    `line` is that of the trees and `host` the kind of machine, as `Home` has them: a difference between
    two of them is no change. Points given by hand have parameters, and so a series, of their own.
    """

    key: CaseKey
    line: str
    host: str
    params: str
    nights: tuple[Night, ...]

    @property
    def latest(self) -> Night:
        return self.nights[-1]

    @property
    def changed(self) -> Night | None:
        """The first night of the present verdict; None if it never was another."""
        for before, night in zip(reversed(self.nights[:-1]), reversed(self.nights[1:]), strict=True):
            if before.verdict is not night.verdict:
                return night
        return None


def told_params(series: Series) -> dict[str, object]:
    """The parameters of a series as they were given."""
    return dict(json.loads(series.params))

"""One line of a decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.facts import Platform, Tier
from harness.verdict import EvidenceClass, Verdict


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What was judged, and how. `verdict` is None where none counts; `remedy` says what to do.

    `evidence` is what the verdict rests on, of several runs the weakest.

    `lacking` is the word for that: a result is missing, does not count (unproven), or was refused.
    """

    reproducer: str
    tier: Tier | Literal["any"] = "any"
    platform: Platform | Literal["any"] = "any"
    verdict: Verdict | None = None
    evidence: EvidenceClass = EvidenceClass.FAULT
    reason: str
    remedy: str = ""
    lacking: Literal["missing", "unproven", "refused"] = "missing"

    @property
    def word(self) -> str:
        if self.verdict is None:
            return self.lacking
        weaker = "" if self.evidence is EvidenceClass.FAULT else f" ({self.evidence})"
        return f"{self.verdict}{weaker}"

    @property
    def told(self) -> str:
        return f"{self.reason}: {self.remedy}" if self.remedy else self.reason

    def to_json(self) -> dict[str, str | None]:
        place = {"reproducer": self.reproducer, "tier": str(self.tier), "platform": str(self.platform)}
        verdict, evidence = (self.verdict.value, self.evidence.value) if self.verdict else (None, None)
        return {**place, "verdict": verdict, "evidence": evidence, "reason": self.told}


def line(text: str) -> str:
    """A text as one line."""
    return " ".join(text.split())

"""One line of a decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.facts import Platform, Tier
from harness.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What was judged, and how. `verdict` is None where none counts; `remedy` says what to do.

    `lacking` is the word for that: a result is missing, does not count (unproven), or was refused.
    """

    reproducer: str
    tier: Tier | Literal["any"] = "any"
    platform: Platform | Literal["any"] = "any"
    verdict: Verdict | None = None
    reason: str
    remedy: str = ""
    lacking: Literal["missing", "unproven", "refused"] = "missing"

    @property
    def word(self) -> str:
        return self.verdict.value if self.verdict else self.lacking

    @property
    def told(self) -> str:
        return f"{self.reason}: {self.remedy}" if self.remedy else self.reason

    def to_json(self) -> dict[str, str | None]:
        place = {"reproducer": self.reproducer, "tier": str(self.tier), "platform": str(self.platform)}
        return {**place, "verdict": self.verdict.value if self.verdict else None, "reason": self.told}


def line(text: str) -> str:
    """A text as one line."""
    return " ".join(text.split())

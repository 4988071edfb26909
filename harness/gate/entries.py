"""One line of a decision."""

from __future__ import annotations

from dataclasses import dataclass

from harness.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What was judged, and how. `verdict` is None where there is no result; `remedy` says what to do."""

    reproducer: str
    tier: str
    platform: str
    verdict: Verdict | None = None
    reason: str
    remedy: str = ""

    @property
    def told(self) -> str:
        return f"{self.reason}: {self.remedy}" if self.remedy else self.reason

    def to_json(self) -> dict[str, str | None]:
        place = {"reproducer": self.reproducer, "tier": self.tier, "platform": self.platform}
        return {**place, "verdict": self.verdict.value if self.verdict else None, "reason": self.told}


def line(text: str) -> str:
    """A text as one line."""
    return " ".join(text.split())

"""The bug: where it was, and what it did."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.facts.checks import require

_RELEASE = re.compile(r"\d+(\.\d+)*(\.post\d+|rc\d+)?")


@dataclass(frozen=True, kw_only=True)
class Bug:
    """One fixed upstream bug. `introduced_in` is the first affected release, or None if unknown."""

    fixed_in: str
    symptom: str
    pr: int | None = None
    issue: int | None = None
    introduced_in: str | None = None

    def __post_init__(self) -> None:
        require(self.pr or self.issue, "pr", "a bug needs a pull request or an issue number")
        for name in ("fixed_in", "introduced_in"):
            value = getattr(self, name)
            require(value is None or _RELEASE.fullmatch(value), name, f"{value!r} is no release")
        require(self.symptom.strip(), "symptom", "is empty")

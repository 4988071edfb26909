"""The closed table of verdicts, and the names of the arms."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

ArmName = Literal["fixed", "reverted"]
BOTH: tuple[ArmName, ...] = ("fixed", "reverted")


class Verdict(StrEnum):
    """The eight verdicts; the value is the word itself."""

    PASS = "PASS"
    UNSUPPORTED = "UNSUPPORTED"
    REGRESSED = "REGRESSED"
    TOOTHLESS = "TOOTHLESS"
    CHANGED = "CHANGED"
    STALE = "STALE"
    UNRECORDED = "UNRECORDED"
    UNRESOLVED = "UNRESOLVED"

    @property
    def success(self) -> bool:
        return self in (Verdict.PASS, Verdict.UNSUPPORTED)


SEVERITY = (
    Verdict.PASS, Verdict.UNSUPPORTED, Verdict.UNRECORDED, Verdict.UNRESOLVED, Verdict.STALE,
    Verdict.CHANGED, Verdict.TOOTHLESS, Verdict.REGRESSED,
)  # fmt: skip
"""Verdicts from the best to the worst."""

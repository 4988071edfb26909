"""The closed table of verdicts, and the names of the arms."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from harness.facts import Platform
from harness.facts.words import Word

ArmName = Literal["fixed", "reverted", "interpreted"]
"""`interpreted` is the fixed arm in Triton's interpreter, beside one whose machine code is emulated."""
BOTH: tuple[ArmName, ...] = ("fixed", "reverted")


class EvidenceClass(Word):
    """What a result rests on, from the strongest to the weakest."""

    FAULT = "fault"
    """Seen on the real thing."""
    EMULATED = "emulated"
    """Seen where a part of the device was emulated, as the arms attest."""
    SIGNATURE = "signature"
    """The compiled form of the faulty code alone."""

    @classmethod
    def weakest(cls, classes: Iterable[EvidenceClass]) -> EvidenceClass:
        """What several results rest on together; there is at least one."""
        return max(classes, key=list(cls).index)

    def counts_for(self, platform: Platform) -> bool:
        """Whether it says anything about a platform: what was emulated is a matter of the CPU."""
        return self is not EvidenceClass.EMULATED or not platform.host.has_devices


class Verdict(StrEnum):
    """The nine verdicts; the value is the word itself."""

    PASS = "PASS"
    UNSUPPORTED = "UNSUPPORTED"
    REGRESSED = "REGRESSED"
    UNFIXED = "UNFIXED"
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
    Verdict.CHANGED, Verdict.TOOTHLESS, Verdict.UNFIXED, Verdict.REGRESSED,
)  # fmt: skip
"""Verdicts from the best to the worst."""

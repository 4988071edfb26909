"""What can go wrong, as a closed set, and what each kind carries."""

from __future__ import annotations

from harness.facts.words import Word

EXTENT = ("numel", "first", "last", "count", "needed")
"""The numbers of a fault, in elements, in the order in which they are told."""


class FaultKind(Word):
    """One thing that went wrong in memory, value or control."""

    OOB_WRITE = "oob-write"
    OOB_READ = "oob-read"
    INDEX_RANGE = "index-range"
    """An index past its row or dimension, even one that stays inside the allocation."""
    SHORT_BUFFER = "short-buffer"
    """A buffer smaller than its use needs."""
    WRONG_VALUE = "wrong-value"
    NAN = "nan"
    EXCEPTION = "exception"
    DEVICE_FAULT = "device-fault"
    """What a driver reports: an illegal access, a device assertion, an HSA memory fault."""
    SIGNATURE = "signature"
    """Faulty code seen in its compiled form alone."""
    CRASH = "crash"
    HANG = "hang"
    LEAK = "leak"

    @property
    def violations(self) -> bool:
        """Whether its `first` and `last` lie outside the buffer, or the row."""
        return self in (FaultKind.OOB_WRITE, FaultKind.OOB_READ, FaultKind.INDEX_RANGE)

    @property
    def is_of_memory(self) -> bool:
        """Whether a device reports it as a device fault, if at all."""
        return self.violations or self is FaultKind.SHORT_BUFFER

    @property
    def is_of_values(self) -> bool:
        """Whether its elements lie inside the buffer, and hold what they should not."""
        return self in (FaultKind.WRONG_VALUE, FaultKind.NAN)

    @property
    def ends(self) -> bool:
        """Whether it ends a run: whatever came after it was not seen, so it binds in every case."""
        return self in (FaultKind.EXCEPTION, FaultKind.CRASH, FaultKind.HANG, FaultKind.DEVICE_FAULT)

    @property
    def preposition(self) -> str:
        """What stands before the buffer where the fault is told in a line."""
        return {FaultKind.OOB_WRITE: "into ", FaultKind.OOB_READ: "from "}.get(self, "")

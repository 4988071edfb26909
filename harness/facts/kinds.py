"""What can go wrong, as a closed set."""

from __future__ import annotations

from harness.facts.words import Word


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


FAULT_KINDS = frozenset(kind.value for kind in FaultKind)
ENDING_KINDS = frozenset({FaultKind.EXCEPTION, FaultKind.CRASH, FaultKind.HANG, FaultKind.DEVICE_FAULT})
"""Faults that end a run: whatever came after them was not seen, so they bind in every case."""

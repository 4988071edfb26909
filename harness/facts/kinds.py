"""What can go wrong: a closed set, beside which a package may declare kinds of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from harness.facts.checks import member, require

DECLARED = "[a-z][a-z0-9-]*:[a-z][a-z0-9-]*"
"""How a declared kind is written, as a regular expression: who declares it, a colon, its name."""


class FaultKind(StrEnum):
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


class DeclaredKind(str):
    """A fault kind that a package of reproducers declares, such as `acme:shared-slot`.

    Its cases find the fault themselves and report it (`lab.report`). It never ends a run. `about` says
    what went wrong, in one line. Raises FactsError for a name or a text that does not fit.
    """

    about: str

    def __new__(cls, name: str, about: str) -> DeclaredKind:
        own = super().__new__(cls, name)
        own.about = about
        fits = re.fullmatch(DECLARED, name)
        require(fits, "fault kind", f"{name!r}: write who declares it and its name, such as acme:shared-slot")
        taken = name.rpartition(":")[2] in FAULT_KINDS
        require(not taken, "fault kind", f"{name!r} has the name of one of Refault's: choose another")
        require(about.strip() and "\n" not in about, "fault kind", f"{name}: say in one line what went wrong")
        return own

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.about


def check_kind(kind: str, field_name: str) -> str:
    """A fault kind as a case names it: a word of the closed set, or a declared kind itself.

    FactsError names the nearest word for any other text, and asks for the declaration where a text looks
    like a declared kind.
    """
    if isinstance(kind, DeclaredKind):
        return kind
    bare = re.fullmatch(DECLARED, kind)
    require(not bare, field_name, f"{kind!r} is a text: hand over the DeclaredKind itself")
    return member(FaultKind, kind, field_name)


def declared(kinds: Iterable[str]) -> frozenset[DeclaredKind]:
    """Those of some kinds that a package declares."""
    return frozenset(kind for kind in kinds if isinstance(kind, DeclaredKind))


ENDING_KINDS = frozenset({FaultKind.EXCEPTION, FaultKind.CRASH, FaultKind.HANG, FaultKind.DEVICE_FAULT})
"""Faults that end a run: whatever came after them was not seen, so they bind in every case."""

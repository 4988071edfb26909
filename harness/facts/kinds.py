"""What can go wrong: a closed set, what each kind carries, and the kinds that packages declare beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.facts.checks import member, require
from harness.facts.words import Word

EXTENT = ("numel", "first", "last", "count", "needed")
"""The numbers of a fault, in elements, in the order in which they are told."""
DECLARED = "[a-z][a-z0-9-]*:[a-z][a-z0-9-]*"
"""How a declared kind is written, as a regular expression: who declares it, a colon, its name."""


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


class DeclaredKind(str):
    """A fault kind that a package of reproducers declares, such as `acme:shared-slot`.

    Its cases find the fault themselves and report it (`lab.report`). It never ends a run. `about` says
    what went wrong, in one line. Raises FactsError for a name or a text that does not fit.
    """

    about: str
    violations = is_of_memory = is_of_values = ends = False
    preposition = ""

    def __new__(cls, name: str, about: str) -> DeclaredKind:
        own = super().__new__(cls, name)
        own.about = about
        fits = re.fullmatch(DECLARED, name)
        require(fits, "fault kind", f"{name!r}: write who declares it and its name, such as acme:shared-slot")
        taken = name.rpartition(":")[2] in [kind.value for kind in FaultKind]
        require(not taken, "fault kind", f"{name!r} has the name of one of Refault's: choose another")
        require(about.strip() and "\n" not in about, "fault kind", f"{name}: say in one line what went wrong")
        return own

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.about


def kind_of(word: str) -> FaultKind | DeclaredKind:
    """A kind by its word, with what it carries; of a declared one nothing is known but that.

    Raises ValueError, with the nearest word, for any other.
    """
    return DeclaredKind(word, "declared elsewhere") if re.fullmatch(DECLARED, word) else FaultKind(word)


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

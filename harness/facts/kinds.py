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
    """A store outside its buffer."""
    OOB_READ = "oob-read"
    """A load from outside its buffer."""
    INDEX_RANGE = "index-range"
    """An index past its row or dimension, even one that stays inside the allocation."""
    SHORT_BUFFER = "short-buffer"
    """A buffer smaller than its use needs."""
    WRONG_VALUE = "wrong-value"
    """An output that is not what the case's `reference` says, that depends on memory nobody wrote, or a wrong
    answer of a server."""
    NAN = "nan"
    """A NaN where the reference has none, or one that a server logs."""
    EXCEPTION = "exception"
    """An exception that left the code under test. It ends the run, so that it always counts."""
    DEVICE_FAULT = "device-fault"
    """What a driver reports: an illegal access, a device assertion, an HSA memory fault. It always counts. A
    context that is gone is one such fault, whichever call met it; behind a judged stray of the same server's
    process it is a finding, since chance decides whether it comes."""
    SIGNATURE = "signature"
    """Faulty code seen in its compiled form alone: the codegen tier's kind."""
    CRASH = "crash"
    """The process ended by a signal, or otherwise than it should. It always counts."""
    HANG = "hang"
    """The arm, or a server, was out of its time. It always counts."""
    LEAK = "leak"
    """A server that logs a leak of its pools."""
    RACE = "race"
    """Elements that two programs of a launch touch, one of them with a store: what is loaded or left there
    depends on which comes first. It is seen in Triton's interpreter alone."""

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
        """Whether its elements lie inside the buffer, and hold what they should not, or do so by chance."""
        return self in (FaultKind.WRONG_VALUE, FaultKind.NAN, FaultKind.RACE)

    @property
    def ends(self) -> bool:
        """Whether it ends a run: whatever came after it was not seen, so it binds in every case."""
        return self in (FaultKind.EXCEPTION, FaultKind.CRASH, FaultKind.HANG, FaultKind.DEVICE_FAULT)

    @property
    def preposition(self) -> str:
        """What stands before the buffer where the fault is told in a line."""
        return {FaultKind.OOB_WRITE: "into ", FaultKind.OOB_READ: "from "}.get(self, "")


class DeclaredKind(str):
    """A fault kind of a package of reproducers: `DeclaredKind("acme:shared-slot", "two requests got one
    slot")`.

    Its cases find the fault themselves and report it (`lab.report`). It never ends a run. Raises FactsError
    for a name or a text that does not fit.
    """

    about: str
    """What went wrong, in one line."""
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

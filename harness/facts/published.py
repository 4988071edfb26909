"""Bugs that a tree of today cannot show whole: their code is rewritten, or never was there in both arms."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.facts.checks import member, require
from harness.facts.place import Tier
from harness.facts.release import parse


@dataclass(frozen=True, kw_only=True)
class Retired:
    """Upstream has rewritten the code of the bug away: both arms run on a release that had it, and its fix.

    It holds for a tree that shows to be of `since` or later, and in which nothing of the fix is found; on any
    other the arms run there. What it proves is of its own release, and nothing of the tree under test.

    With a `tier` the code is still there, and what the bug did is no longer seen in that tier: only its case
    is retired, fix or none, and another tier goes on judging the fix.
    """

    since: str
    """The first release without the code; with a `tier`, the first in which it shows nothing there."""
    on: str
    """The release that both arms run on, fetched as a wheel: not before the fix, and before `since`."""
    reason: str
    """What became of the code, in one line."""
    tier: str = ""
    """The one tier that is retired; empty: the whole bug."""

    def __post_init__(self) -> None:
        if self.tier:
            member(Tier, self.tier, "retired.tier")
        for name in ("since", "on"):
            _require_release(getattr(self, name), f"retired.{name}")
        require(self.reason.strip(), "retired.reason", "is empty: say what became of the code")

    @property
    def told(self) -> str:
        """The start of a reason."""
        what = f"{self.tier} tier " if self.tier else ""
        return f"{what}retired since {self.since} ({self.reason}), run on {self.on}"


@dataclass(frozen=True, kw_only=True)
class Released:
    """A release as it was published, in place of a revert: no tree holds both the fix and code to undo it.

    Its arm is attested as any other: an edited function's module, with its hash in that release, was loaded,
    and one of the functions was entered.
    """

    release: str
    """The release that stands for the reverted arm, fetched as a wheel: one before the fix."""
    functions: tuple[str, ...]
    """The qualified names of the functions that the fix changed; each arm must enter one of them."""
    reason: str
    """Why there is nothing to be undone, in one line."""

    def __post_init__(self) -> None:
        _require_release(self.release, "revert.release")
        require(self.functions, "revert.functions", "is empty: nothing would prove what ran")
        for name in self.functions:
            require(re.fullmatch(r"\w+(\.\w+)*", name), "revert.functions", f"{name!r} is no qualified name")
        require(self.reason.strip(), "revert.reason", "is empty: say why there is nothing to be undone")

    @property
    def scopes(self) -> tuple[str, ...]:
        """Where it changes code, as `Revert.scopes` has it."""
        return self.functions


def _require_release(text: str, field_name: str) -> None:
    require(parse(text) == text, field_name, f"{text!r} is no release")

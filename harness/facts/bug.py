"""The bug: where it was, and what it did."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.facts.checks import require

_RELEASE = re.compile(r"\d+(\.\d+)*(\.post\d+|rc\d+)?")


@dataclass(frozen=True, kw_only=True)
class Bug:
    """One fixed upstream bug: its numbers, its releases, and what a user saw.

    Raises FactsError for what is no release (`0.5.12.post1`).
    """

    fixed_in: str
    """The first release that has the fix."""
    symptom: str
    """What a user saw, in one line."""
    pr: int | None = None
    """The number of the pull request that fixed it; without this and `issue`, the module is `bug_<name>`."""
    issue: int | None = None
    """The number of the issue that reported it."""
    introduced_in: str | None = None
    """The first affected release; None if unknown. `refault matrix` measures it."""
    also: tuple[int, ...] = ()
    """The numbers of further issues that reported it, and of pull requests that mended a twin of it."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """Every number that it is known by, the pull request's first."""
        return tuple(number for number in (self.pr, self.issue, *self.also) if number)

    def __post_init__(self) -> None:
        for name in ("fixed_in", "introduced_in"):
            value = getattr(self, name)
            require(value is None or _RELEASE.fullmatch(value), name, f"{value!r} is no release")
        require(self.symptom.strip(), "symptom", "is empty")

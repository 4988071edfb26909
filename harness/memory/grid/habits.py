"""What earlier launches of a kernel have shown. It only decides how soon a launch is tried in which way."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from types import CodeType

LARGEST = 512
"""Programs that are tried at once at most."""


@dataclass
class Habit:
    """`written` are arguments that launches wrote to: all of them, once one has come to its end (`known`).

    `most` programs at once are not too many; those of a launch of up to `parted` have too little in common.
    `refused` says why this kernel runs program by program.
    """

    written: set[str] = field(default_factory=set)
    known: bool = False
    most: int = LARGEST
    parted: int = 0
    refused: str | None = None


@cache
def habit_of(code: CodeType) -> Habit:
    """That of a kernel in this process."""
    return Habit()

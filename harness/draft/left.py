"""What of a patch no edit takes back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Left:
    """A difference from before the patch; `todo` where it may matter, and the author has to look."""

    text: str
    todo: bool = True

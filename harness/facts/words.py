"""Closed sets of words: what is not among them is refused with the nearest that is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum
from typing import NoReturn


class Word(StrEnum):
    """A closed set. Reading another word raises ValueError, which names the set and the nearest of it."""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        known = [one.value for one in cls]
        raise ValueError(f"{value!r} is not one of {', '.join(known)}{nearest(value, known)}")


def nearest(word: object, known: Iterable[str]) -> str:
    """The word that was probably meant, as the end of a message; nothing where none is near."""
    near = difflib.get_close_matches(str(word), list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""

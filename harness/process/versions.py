"""The version that CPython gives each dictionary: one number, which no two states of any of them share.

It is there so that a guard need not look at what a namespace holds (PEP 509), and Python code cannot ask for
it: it is read where it lies. That takes no reference to what is held, so that in a fork no page is copied for
it. Releases from 3.13 on have none.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Mapping
from ctypes import c_size_t, c_ubyte, sizeof
from functools import cache, partial
from gc import get_referents
from operator import itemgetter
from typing import Any

__builtins__ = dict(vars(builtins))  # type: ignore[assignment]
"""This module's own, for its functions alone, as in `alterations`."""

Cell = memoryview
"""Where the version of a dictionary lies; it must not outlive that dictionary."""

_LAST = (3, 12)
_AT = object.__basicsize__ + sizeof(c_size_t)  # behind the head of any object, and how many items it has
_memory_at = (c_ubyte * 8).from_address  # held, like the other functions of others: they are not watched

version_in: Callable[[Cell], int] = itemgetter(0)
"""The version that a cell shows now."""


def dictionary(space: Mapping[str, Any]) -> dict[str, Any] | None:
    """The dictionary that a namespace is, or is a view of; None where there is no such."""
    if type(space) is dict:
        return space
    behind = get_referents(space)
    return behind[0] if len(behind) == 1 and type(behind[0]) is dict else None


def cell(space: dict[str, Any]) -> Cell:
    """Where its version lies."""
    return memoryview(_memory_at(id(space) + _AT)).cast("B").cast("Q")


@cache
def are_told() -> bool:
    """Whether this interpreter gives versions, and a new one with every sort of change."""
    if sys.implementation.name != "cpython" or sys.version_info[:2] > _LAST:
        return False
    plain, kind = dict[str, Any](), type("_Tried", (), {})
    one = kind()
    return (
        _moves(plain, plain.__setitem__, plain.__delitem__)
        and _moves(dictionary(vars(kind)), partial(setattr, kind), partial(delattr, kind))
        and _moves(vars(one), partial(setattr, one), partial(delattr, one))
    )


def _moves(
    space: dict[str, Any] | None, put: Callable[[str, Any], None], drop: Callable[[str], None]
) -> bool:
    """Whether each of some changes gives a version that was not there, and a look at the space gives none."""
    if space is None:
        return False
    where = cell(space)
    seen = [version_in(where)]
    for change in (partial(put, "a", 1), partial(put, "b", 1), partial(put, "a", 2), partial(drop, "b")):
        change()
        seen.append(version_in(where))
    list(space.items())
    return len({*seen}) == len(seen) and version_in(where) == seen[-1]

"""How a record checks itself: a mistake names the module that made it and the field."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from harness.errors import FactsError

Params = Mapping[str, Any]
_Read = TypeVar("_Read")


def require(holds: object, field_name: str, problem: str) -> None:
    """FactsError, naming the author and the field, unless it holds."""
    if not holds:
        raise FactsError(f"{author()}: {field_name}: {problem}")


def member(kind: Callable[[str], _Read], word: str, field_name: str) -> _Read:
    """What is written so, as a set of words or a parser reads it; its ValueError becomes a FactsError."""
    try:
        return kind(word)
    except ValueError as error:
        raise FactsError(f"{author()}: {field_name}: {error}") from None


def members(kind: Callable[[str], _Read], words: Iterable[str], field_name: str) -> frozenset[_Read]:
    """`member` of each."""
    return frozenset(member(kind, word, field_name) for word in sorted(words))


def author() -> str:
    """The module that is constructing the record: the first frame outside this package and dataclasses."""
    frame = sys._getframe(1)
    while frame.f_back and _is_ours(frame.f_globals.get("__name__")):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "?"))


def _is_ours(module: str | None) -> bool:
    return module in (None, "dataclasses") or module.startswith(__package__)

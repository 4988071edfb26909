"""How a record checks itself: a mistake names the module that made it and the field."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from harness.errors import FactsError

Params = Mapping[str, Any]
_Word = TypeVar("_Word", bound=StrEnum)


def require(holds: object, field_name: str, problem: str) -> None:
    """FactsError, naming the author and the field, unless it holds."""
    if not holds:
        raise FactsError(f"{author()}: {field_name}: {problem}")


def member(kind: type[_Word], word: str, field_name: str) -> _Word:
    """The member of a closed set that is written so. FactsError names the nearest for any other word."""
    known = [one.value for one in kind]
    near = difflib.get_close_matches(word, known, 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    require(word in known, field_name, f"{word!r} is not one of {', '.join(known)}{meant}")
    return kind(word)


def members(kind: type[_Word], words: Iterable[str], field_name: str) -> frozenset[_Word]:
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

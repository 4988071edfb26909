"""Whether anything was put in another's place, told by versions and by what is the same object: soon done.

It says no more than that nothing changed. What did, and whether that is an alteration, is found out by going
through all of it (`alterations`).
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import Enum
from itertools import chain
from operator import attrgetter, is_
from types import CodeType, FunctionType, MappingProxyType, NoneType
from typing import Any

from harness.process import versions
from harness.process.versions import Cell

__builtins__ = dict(vars(builtins))  # type: ignore[assignment]
"""This module's own, for its functions alone, as in `alterations`."""

FACTS = "harness.facts."
"""Where the classes of facts are: a module's facts are told by what they hold, and nothing else is."""

_CODE_OF, _SPACE_OF = attrgetter("__code__"), attrgetter("__dict__")
_DEFAULTS_OF, _NAMED_DEFAULTS_OF = attrgetter("__defaults__"), attrgetter("__kwdefaults__")
_WHOLE = frozenset({str, bytes, int, float, complex, bool, NoneType, range, FunctionType})
"""Types whose objects cannot change, as far as a fact's text tells of them."""
_IMMUTABLE = frozenset({tuple, frozenset})
"""Those of which only what they hold can."""
_MAPPINGS = (dict, MappingProxyType)
_CONTAINERS = (*_MAPPINGS, list)

Holds = Callable[[], bool]


Print = tuple[
    list[dict[str, Any]], list[Cell], list[int],
    list[Collection[Any]], list[int], list[Any],
    list[FunctionType], list[CodeType],
    list[FunctionType], list[tuple[Any, ...] | None], list[dict[str, Any] | None],
    list[Any], list[type], list[dict[str, Any]],
    list[Any], list[str],
]  # fmt: skip
"""What objects are made of, as it was once; each list's objects stay alive with it.

Dictionaries, where their versions lie, and those; collections that have none, their sizes, and what was in
all of them, one after another; functions and their code; those with defaults, and these; facts with their
types and namespaces; facts that only their text can tell, and those. A bare tuple, since nobody can replace
how one is unpacked.
"""


def taken(
    spaces: Iterable[Mapping[str, Any]], functions: Iterable[FunctionType], facts: Iterable[Any]
) -> Print:
    """The print of these namespaces, of the code that functions run, and of all that facts hold."""
    parts, odd = _told_by_parts(facts)
    owners = [part for part in parts if not isinstance(part, _CONTAINERS)]
    running = list({id(function): function for function in functions}.values())
    defaulted = [one for one in running if one.__defaults__ or one.__kwdefaults__]
    named = [one.__kwdefaults__ for one in defaulted if one.__kwdefaults__]
    held_in = [*spaces, *named, *(part if isinstance(part, _CONTAINERS) else vars(part) for part in parts)]
    dicts = {id(one): one for space in held_in if (one := _versioned(space)) is not None}
    cells = list(map(versions.cell, dicts.values()))
    live = [view for space in held_in if _versioned(space) is None for view in _views(space)]
    return (
        *(list(dicts.values()), cells, list(map(versions.version_in, cells))),
        *(live, list(map(len, live)), list(chain.from_iterable(live))),
        *(running, list(map(_CODE_OF, running))),
        *(defaulted, list(map(_DEFAULTS_OF, defaulted)), list(map(_NAMED_DEFAULTS_OF, defaulted))),
        *(owners, list(map(type, owners)), list(map(_SPACE_OF, owners))),
        *(odd, list(map(repr, odd))),
    )


def joined(prints: Iterable[Print]) -> Print:
    """One print of all that several are of, each as it was when it was taken."""
    lists: Any = zip(*prints, strict=True)
    return tuple(list(chain.from_iterable(each)) for each in lists)  # type: ignore[return-value]


def holding(of: Print) -> Holds:
    """Whether all is still as in this print; what it needs for that is its own from now on."""
    _, cells, numbers, live, sizes, held, functions, codes, defaulted, defaults, named, *_ = of
    *_, owners, kinds, spaces, odd, texts = of
    same, one_by_one, code_of, space_of = is_, chain.from_iterable, _CODE_OF, _SPACE_OF
    version_in, defaults_of, named_of = versions.version_in, _DEFAULTS_OF, _NAMED_DEFAULTS_OF

    def holds() -> bool:
        return (
            list(map(version_in, cells)) == numbers
            and list(map(len, live)) == sizes
            and all(map(same, one_by_one(live), held))
            and all(map(same, map(code_of, functions), codes))
            and all(map(same, map(defaults_of, defaulted), defaults))
            and all(map(same, map(named_of, defaulted), named))
            and all(map(same, map(type, owners), kinds))
            and all(map(same, map(space_of, owners), spaces))
            and list(map(repr, odd)) == texts
        )

    return holds


def _versioned(space: Any) -> dict[str, Any] | None:
    """The dictionary whose version tells of all that a namespace holds."""
    return versions.dictionary(space) if versions.are_told() and not isinstance(space, list) else None


def _views(space: Any) -> tuple[Collection[Any], ...]:
    """What shows, now and later, all that a namespace or a list holds."""
    return (space,) if isinstance(space, list) else (space.keys(), space.values())


def _told_by_parts(facts: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """All that can change of what facts hold, themselves included; the facts of which that is not known."""
    parts, odd = dict[int, Any](), []
    for fact in facts:
        try:
            parts |= {id(part): part for part in _parts(fact)}
        except _CannotTellError:
            odd.append(fact)
    return list(parts.values()), odd


class _CannotTellError(Exception):
    """A fact holds something of which it is not known where it keeps what it is."""


def _parts(value: Any) -> Iterator[Any]:
    """Whatever can change of a fact or of what it holds."""
    kind = type(value)
    if kind in _WHOLE or isinstance(value, type):
        return
    if kind not in _IMMUTABLE:
        yield value
    for inner in _inner(value, kind):
        yield from _parts(inner)


def _inner(value: Any, kind: type) -> Collection[Any]:
    """What a value of this type holds."""
    if kind in _IMMUTABLE or kind is list:
        return tuple(value)
    if kind in _MAPPINGS:
        return [*value.keys(), *value.values()]
    if _is_plain(kind):
        return list(vars(value).values())
    raise _CannotTellError


def _is_plain(kind: type) -> bool:
    """Whether objects of this type, a dataclass or an enumeration, keep what they are in their namespace."""
    spaces = list(map(vars, kind.__mro__[:-1]))
    is_known = issubclass(kind, Enum) or all("__dataclass_fields__" in space for space in spaces)
    return is_known and not any("__slots__" in space for space in spaces)

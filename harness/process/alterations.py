"""Finds what was put in place of the code that watches and records, in the arm's own process.

Each function's code object, each class's entries and each global of the watched modules is held against what
it was when its module was first looked at: before the code under test was imported. What only came later, an
attribute that an import leaves for one, is no alteration, unless it hides a builtin.
"""

from __future__ import annotations

import builtins
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from types import CodeType, FunctionType, ModuleType
from typing import Any

__builtins__ = dict(vars(builtins))  # type: ignore[assignment]
"""This module's own, for its functions alone: who looks for what was replaced must not look with it."""

OURS = "harness"
"""The package that is always watched whole."""
FACTS = "harness.facts."
"""Where the classes of facts are: a module's facts are told by their text, and nothing else is."""
STANDARD = ("builtins", "hashlib", "hmac", "json", "json.decoder", "json.encoder", "os", "socket", "struct")
"""Modules of the standard library that recording is made of."""
_IGNORED = frozenset({"__builtins__", "__cached__", "__spec__", "__loader__", "__warningregistry__", "_"})
_BUILTINS = frozenset(vars(builtins))
_ABSENT: Any = object()
_CODE_OF = attrgetter("__code__")

Key = tuple[str, str]
"""Whose name and which."""
Holds = Callable[[], bool]


def watched(packages: Iterable[str] = (), *, rest: float = 0.0) -> Callable[..., list[str]]:
    """A function that says what was altered since this call, or since it first saw a module.

    `packages` are top-level names that are watched whole, as the harness is.
    A look takes some milliseconds: one that is `hurried` is left out within `rest` seconds of the last.
    """
    known: dict[str, dict[Key, Any]] = {}
    prints: dict[str, Holds] = {}
    others: set[str] = set()
    now, looked = time.monotonic, [0.0]
    whole = frozenset({OURS, *packages})
    looked_into, listed, same, hides, printed = _entries, _modules, _same, _BUILTINS, _fingerprint

    def look(hurried: bool = False) -> list[str]:
        found: list[str] = []
        if hurried and now() - looked[0] < rest:
            return found
        looked[0] = now()
        for name, module in listed(whole, others):
            if name in prints and prints[name]():
                continue
            entries = dict(looked_into(name, module))
            prints[name] = printed(entries, module)
            if (before := known.get(name)) is None:
                known[name] = entries
                continue
            known[name] = {**entries, **before}
            for key, value in before.items():
                if not same(entries.get(key, _ABSENT), value):
                    found.append(".".join(key))
            added = (key for key in entries.keys() - before.keys() if key[0] == name)
            found += [f"{name}.{key[1]}" for key in added if key[1] in hides and name not in STANDARD]
        return sorted(found)

    look()
    return look


def _fingerprint(entries: Mapping[Key, Any], module: ModuleType) -> Holds:
    """Whether nothing was put in another's place since, told by identities alone, which is soon done.

    What they identify stays alive with `entries`, so that no identity is given out anew.
    """
    classes = [value for value in entries.values() if isinstance(value, type)]
    own = [value for value in classes if value.__module__ == module.__name__]
    spaces = [vars(one) for one in (module, *own)]
    functions = [inner for value in entries.values() if (inner := _function(value)) is not None]
    facts = [value for value in entries.values() if type(value).__module__.startswith(FACTS)]

    code_of = _CODE_OF

    def identities() -> list[Any]:
        names = [tuple(map(id, space.values())) for space in spaces]
        return [*names, *map(id, map(code_of, functions)), *map(repr, facts)]

    before = identities()
    return lambda: identities() == before


def _same(one: Any, other: Any) -> bool:
    """Whether it is the same object; a text may have been made anew."""
    return one is other or (type(one) is type(other) is str and one == other)


def _modules(whole: frozenset[str], others: set[str]) -> Iterator[tuple[str, ModuleType]]:
    """Those that are watched. The names of all others join `others`, and are not looked at again."""
    for name in sys.modules.keys() - others:
        if name.partition(".")[0] not in whole and name not in STANDARD:
            others.add(name)
        elif isinstance(module := sys.modules.get(name), ModuleType):
            yield name, module


def _entries(name: str, module: ModuleType) -> Iterator[tuple[Key, Any]]:
    """What a module's names lead to, and what the functions and classes that are its own are made of."""
    for key, value in list(vars(module).items()):
        if key in _IGNORED:
            continue
        yield (name, key), value
        if isinstance(value, FunctionType):
            yield (f"{name}.{key}", "__code__"), value.__code__
        elif isinstance(value, type) and value.__module__ == name:
            yield from _members(f"{name}.{key}", value)
        elif type(value).__module__.startswith(FACTS):
            yield (f"{name}.{key}", "facts"), repr(value)  # a case says what is watched, and how closely


def _members(name: str, kind: type) -> Iterator[tuple[Key, Any]]:
    for key, value in list(vars(kind).items()):
        yield (name, key), value
        if (code := _code(value)) is not None:
            yield (f"{name}.{key}", "__code__"), code


def _code(value: Any) -> CodeType | None:
    inner = _function(value)
    return inner.__code__ if inner else None


def _function(value: Any) -> FunctionType | None:
    """The function that a method, a property or a function itself runs."""
    inner = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
    return inner if isinstance(inner, FunctionType) else None

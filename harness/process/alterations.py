"""Finds what was put in place of the code that watches and records, in the arm's own process.

Each function's code object and defaults, each class's entries and each global of the watched modules is held
against what it was when its module was first looked at: before the code under test was imported. What only
came later, an attribute that an import leaves for one, is no alteration, unless it hides a builtin, or what a
class inherits.
"""

from __future__ import annotations

import builtins
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

from harness.process import identities
from harness.process.identities import FACTS, Holds, Print

__builtins__ = dict(vars(builtins))  # type: ignore[assignment]
"""This module's own, for its functions alone: who looks for what was replaced must not look with it."""

OURS = "harness"
"""The package that is always watched whole."""
STANDARD = ("builtins", "hashlib", "hmac", "json", "json.decoder", "json.encoder", "os", "socket", "struct")
"""Modules of the standard library that recording is made of."""
_IGNORED = frozenset({"__builtins__", "__cached__", "__spec__", "__loader__", "__warningregistry__", "_"})
_BUILTINS = frozenset(vars(builtins))
_LATE = frozenset({"__annotations__", "__doc__"})
"""What Python itself may give a class long after it was made."""
_ABSENT: Any = object()

Key = tuple[str, str]
"""Whose name and which."""


_Known = tuple[ModuleType, dict[Key, Any], Print, Holds]
"""A module, what it was made of when it was first looked at, and whether it is as when it last was.

A bare tuple: what unpacks one cannot be replaced.
"""


def watched(packages: Iterable[str] = (), *, rest: float = 0.0) -> Callable[..., list[str]]:
    """A function that says what was altered since this call, or since it first saw a module.

    `packages` are top-level names that are watched whole, as the harness is. What was altered is told at each
    look until it is put back. One that is `hurried` is left out within `rest` seconds of the last.
    """
    known: dict[str, _Known] = {}
    others: set[str] = set()
    now, looked = time.monotonic, [0.0]
    whole = frozenset({OURS, *packages})
    looked_into, listed, same, hides, printed = _entries, _modules, _same, _hides, _print
    taken, joined, holding = identities.taken, identities.joined, identities.holding
    modules, absent, is_module = sys.modules, _ABSENT, _is_module
    never: Holds = bool
    unchanged = never

    def changes(name: str, module: Any) -> list[str]:
        before, first, _, holds = known.get(name, (None, None, None, never))
        if before is module and holds():
            return []
        if not is_module(module):
            return [name]
        entries = dict(looked_into(name, module))
        first = entries if first is None else first
        gone = [key for key, value in first.items() if not same(entries.get(key, absent), value)]
        hiding = [key for key in entries.keys() - first.keys() if hides(name, module, key)]
        seen = printed(entries, module)
        known[name] = (module, {**entries, **first}, seen, never if gone or hiding else holding(seen))
        return list(map(".".join, gone + hiding))

    def look(hurried: bool = False) -> list[str]:
        nonlocal unchanged
        if hurried and now() - looked[0] < rest:
            return []
        looked[0] = now()
        if unchanged():
            return []
        there_now = taken([modules], [], [])  # before they are gone through: others may come meanwhile
        there = dict(modules)
        found = [what for each in listed(there, whole, others, known) for what in changes(*each)]
        prints = [there_now, *(seen for _, _, seen, _ in known.values())]
        unchanged = never if found else holding(joined(prints))
        return sorted(found)

    look()
    return look


def _print(entries: Mapping[Key, Any], module: ModuleType) -> Print:
    """What a module's names lead to, and what its own classes, functions and facts are made of."""
    classes = [value for value in entries.values() if isinstance(value, type)]
    own = [vars(value) for value in classes if value.__module__ == module.__name__]
    functions = [inner for value in entries.values() if (inner := _function(value)) is not None]
    facts = [value for value in entries.values() if type(value).__module__.startswith(FACTS)]
    return identities.taken([vars(module), *own], functions, facts)


def _same(one: Any, other: Any) -> bool:
    """Whether it is the same object; a text may have been made anew."""
    return one is other or (type(one) is type(other) is str and one == other)


def _hides(name: str, module: ModuleType, key: Key) -> bool:
    """Whether what was added to a module, or to a class of its own, comes before what its code meant."""
    owner, added = key
    if owner == name:
        return added in _BUILTINS and name not in STANDARD
    kind = vars(module).get(owner.removeprefix(f"{name}."))
    return (
        isinstance(kind, type)
        and added not in _LATE
        and any(added in vars(base) for base in kind.__mro__[1:])
    )


def _is_module(value: Any) -> bool:
    return isinstance(value, ModuleType)


def _modules(
    there: Mapping[str, Any], whole: frozenset[str], others: set[str], known: Mapping[str, _Known]
) -> Iterator[tuple[str, Any]]:
    """Those that are watched, and what is in place of one that was. The names of all others join `others`."""
    for name in there.keys() - others:
        if name.partition(".")[0] not in whole and name not in STANDARD:
            others.add(name)
        elif _is_module(module := there[name]) or name in known:
            yield name, module
    for name in known.keys() - there.keys():
        yield name, known[name][0]  # it was taken out, and is still what others imported


def _entries(name: str, module: ModuleType) -> Iterator[tuple[Key, Any]]:
    """What a module's names lead to, and what the functions and classes that are its own are made of."""
    for key, value in list(vars(module).items()):
        if key in _IGNORED:
            continue
        yield (name, key), value
        if isinstance(value, FunctionType):
            yield from _made_of(f"{name}.{key}", value)
        elif isinstance(value, type) and value.__module__ == name:
            yield from _members(f"{name}.{key}", value)
        elif type(value).__module__.startswith(FACTS):
            yield (f"{name}.{key}", "facts"), repr(value)  # a case says what is watched, and how closely


def _members(name: str, kind: type) -> Iterator[tuple[Key, Any]]:
    for key, value in list(vars(kind).items()):
        yield (name, key), value
        if (inner := _function(value)) is not None:
            yield from _made_of(f"{name}.{key}", inner)


def _made_of(name: str, function: FunctionType) -> Iterator[tuple[Key, Any]]:
    """What a call runs, and takes where nothing is given; a function without defaults is given all of it."""
    yield (name, "__code__"), function.__code__
    if function.__defaults__ or function.__kwdefaults__:
        yield (name, "__defaults__"), function.__defaults__
        yield (name, "__kwdefaults__"), function.__kwdefaults__
        for key, value in (function.__kwdefaults__ or {}).items():
            yield (f"{name}.__kwdefaults__", key), value


def _function(value: Any) -> FunctionType | None:
    """The function that a method, a property or a function itself runs."""
    inner = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
    return inner if isinstance(inner, FunctionType) else None

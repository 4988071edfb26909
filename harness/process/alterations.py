"""Finds what was put in place of the code that watches and records, in the arm's own process.

Each function's code object and defaults, its own and those behind decorators, each class's entries and each
global of the watched modules is held against what it was when its module was first looked at: before the code
under test was imported. What only came later, an attribute that an import leaves for one, is no alteration,
unless it hides a builtin, or what a class inherits.
"""

from __future__ import annotations

import builtins
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import CodeType, FunctionType, ModuleType, NoneType
from typing import Any, Protocol

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
_LATE = frozenset({"__annotations__", "__annotations_cache__", "__doc__", "__slotnames__"})
"""What Python itself may give a class long after it was made: the last, when an object is first copied."""
_PLAIN = frozenset(
    {str, bytes, int, float, bool, NoneType, tuple, dict, list, frozenset, CodeType, ModuleType}
)
"""Types of which no object runs a function: most of what is looked at is of these."""
_DEEPEST = 5
"""How many decorators of a function are looked behind."""
_ABSENT: Any = object()


class _Bare(Protocol): ...


_STAND_IN = vars(_Bare)["__init__"]
"""The `__init__` that every protocol has: in a class below one it looks for that which is meant."""

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
    functions = [inner for value in entries.values() for inner in _functions(value)]
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
    if not isinstance(kind, type) or added in _LATE or _is_of_protocol(kind, added):
        return False
    return any(added in vars(base) for base in kind.__mro__[1:])


def _is_of_protocol(kind: type, added: str) -> bool:
    """Whether it is the `__init__` that Python gives a class below a protocol when it is first called."""
    if added != "__init__":
        return False
    inherited = [vars(base)[added] for base in kind.__mro__[1:] if added in vars(base)]
    meant = next(init for init in inherited if init is not _STAND_IN)
    return inherited[0] is _STAND_IN and vars(kind)[added] is meant


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
        if not isinstance(value, type):
            yield from _runs(f"{name}.{key}", value)
        elif value.__module__ == name:
            yield from _members(f"{name}.{key}", value)
        if type(value).__module__.startswith(FACTS):
            yield (f"{name}.{key}", "facts"), repr(value)  # a case says what is watched, and how closely


def _members(name: str, kind: type) -> Iterator[tuple[Key, Any]]:
    for key, value in list(vars(kind).items()):
        yield (name, key), value
        yield from _runs(f"{name}.{key}", value)


def _runs(name: str, value: Any) -> Iterator[tuple[Key, Any]]:
    for depth, function in enumerate(_functions(value)):
        yield from _made_of(name + ".__wrapped__" * depth, function)


def _made_of(name: str, function: FunctionType) -> Iterator[tuple[Key, Any]]:
    """What a call runs, and takes where nothing is given; a function without defaults is given all of it."""
    yield (name, "__code__"), function.__code__
    if function.__defaults__ or function.__kwdefaults__:
        yield (name, "__defaults__"), function.__defaults__
        yield (name, "__kwdefaults__"), function.__kwdefaults__
        for key, value in (function.__kwdefaults__ or {}).items():
            yield (f"{name}.__kwdefaults__", key), value


def _functions(value: Any) -> Sequence[FunctionType]:
    """What a function, a method, a property or a cached function runs: itself, and then what it wraps."""
    if type(value) in _PLAIN:
        return ()
    inner = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
    if not isinstance(inner, FunctionType):
        inner = getattr(inner, "__wrapped__", None)
    found: list[FunctionType] = []
    while isinstance(inner, FunctionType) and len(found) < _DEEPEST:
        found.append(inner)
        inner = vars(inner).get("__wrapped__")
    return found

"""Importing modules ahead of the arms, and keeping away from what belongs to the arms."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from harness.process import usage


class Forbidden(BaseException):
    """A module asked for what only an arm may import.

    No Exception, for `try: import ... except Exception` would make of it a lasting "not installed".
    """


class _Gate(MetaPathFinder):
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in self._names:
            raise Forbidden(f"it asks for {fullname}, which is left to the arms")
        return None


@contextmanager
def _gate(names: frozenset[str]) -> Iterator[None]:
    gate = _Gate(names)
    sys.meta_path.insert(0, gate)
    try:
        yield
    finally:
        sys.meta_path.remove(gate)


def load(names: Iterable[str], arm_only: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Imports each module; yields (name, what is wrong) for one that fails or starts a thread.

    Never raises for a module's sake. A failing package is named once, without its submodules.
    """
    dropped: set[str] = set()
    before = usage.threads(os.getpid())
    with _gate(arm_only):
        for name in names:
            if name in sys.modules or any(name.startswith(f"{package}.") for package in dropped):
                continue
            problem, there = _import(name), before
            before = usage.threads(os.getpid())
            if problem:
                dropped.add(name)
                yield name, f"not preloaded: {problem}"
            elif before > there:
                yield name, "started a thread when it was imported; arms forked from here may hang"


def _import(name: str) -> str | None:
    try:
        importlib.import_module(name)
    # Anything may come out of a foreign module, SystemExit too; it is reported, and the fork server lives.
    except BaseException as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


def imported_since(before: frozenset[str], arm_only: frozenset[str]) -> list[str]:
    """Modules loaded since `before` that a fork server could load too, in the order they were loaded."""
    return [
        name
        for name, module in list(sys.modules.items())
        if name not in before and name.partition(".")[0] not in arm_only and _is_loadable(name, module)
    ]


def _is_loadable(name: str, module: object) -> bool:
    """Whether the module came from a file under its own name: no alias, no stand-in made in memory."""
    spec = getattr(module, "__spec__", None)
    if not isinstance(spec, ModuleSpec) or spec.name != name:
        return False
    return spec.origin in ("built-in", "frozen") or bool(
        spec.has_location and os.path.isfile(spec.origin or "")
    )

"""Names of a library that is not here: they can be imported and decorate, and refuse to be called.

It travels in the kit, beside the stand-ins that use it, and needs nothing but Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Name:
    """One name of the library: it has every attribute, and as a decorator it leaves a function as it is."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __getattr__(self, attribute: str) -> Name:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return Name(f"{self._path}.{attribute}")

    def __call__(self, *values: Any, **named: Any) -> Any:
        if len(values) == 1 and not named and callable(values[0]) and not isinstance(values[0], Name):
            return values[0]
        raise NotImplementedError(f"{self._path} was called, but the offline kit carries only its name")

    def __repr__(self) -> str:
        return f"<inert {self._path}>"


def names_of(module: str) -> Callable[[str], Name]:
    """A module's `__getattr__` that knows every name."""

    def __getattr__(attribute: str) -> Name:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return Name(f"{module}.{attribute}")

    return __getattr__

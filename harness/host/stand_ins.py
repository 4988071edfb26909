"""Stand-ins that know only what they were given, and say so when asked for more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NoReturn

from harness.errors import StandInMisused


class StandIn:
    """An object with just the given attributes.

    Anything else raises StandInMisused, which names the stand-in: a case that lacks a fact the
    code under test asks for is a defect of the case, never a fault of the code.
    """

    def __init__(self, name: str, **known: Any) -> None:
        self.__dict__.update(known, _standin=name)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise StandInMisused(
            f"the {self.__dict__['_standin']} stand-in was asked for {attribute!r}, which it does not know"
        )

    def __repr__(self) -> str:
        return f"<stand-in {self.__dict__['_standin']}>"


def inert_module(name: str, functions: Iterable[str]) -> ModuleType:
    """A module that holds only these functions; calling one raises StandInMisused."""
    module = ModuleType(name, f"Inert stand-in for {name}.")
    for function in functions:
        setattr(module, function, _inert(f"{name}.{function}"))
    return module


def _inert(name: str) -> Callable[..., NoReturn]:
    def call(*args: Any, **kwargs: Any) -> NoReturn:
        raise StandInMisused(f"{name} was called, but only its name is stood in for on this machine")

    return call

"""Stand-ins that know only what they were given, and say so when asked for more."""

from __future__ import annotations

from typing import Any

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
        raise StandInMisused(f"the {self.__dict__['_standin']} stand-in was asked for {attribute!r}, which it does not know")

    def __repr__(self) -> str:
        return f"<stand-in {self.__dict__['_standin']}>"

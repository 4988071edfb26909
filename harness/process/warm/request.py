"""What a pool says to a warm process, and what it is answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.process.job import Environment
from harness.process.warm.surroundings import UNREAD, Surroundings

VERSION = 1
"""Of these messages."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One pool asks for a fork server of one environment; its link, a pidfd of it and its standard error
    come with it. `variables` are those that are not compared, `scratch` is a folder that is not there yet.
    """

    surroundings: Surroundings
    environment: str
    lists: str
    scratch: str
    variables: Mapping[str, str | None]

    def to_json(self) -> dict[str, Any]:
        return {"warm": VERSION, **vars(self), "surroundings": dict(self.surroundings.facts)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Request:
        """Raises ValueError for anything but a request of this version."""
        if data.get("warm") != VERSION or data.keys() != {"warm", *cls.__dataclass_fields__}:
            raise ValueError("it is of another version of Refault")
        texts, maps = ("environment", "lists", "scratch"), ("surroundings", "variables")
        if not all(isinstance(data[name], str) for name in texts):
            raise ValueError(f"{' and '.join(texts)} are text")
        if not all(isinstance(data[name], dict) for name in maps):
            raise ValueError(f"{' and '.join(maps)} are objects")
        facts = {name: str(value) for name, value in data["surroundings"].items()}
        told = data["variables"].items()
        if data["variables"].keys() != UNREAD:
            raise ValueError("variables are others than those that no import asks for")
        return cls(
            surroundings=Surroundings(facts),
            variables={name: None if value is None else str(value) for name, value in told},
            **{name: data[name] for name in texts},
        )


@dataclass(frozen=True)
class Answer:
    """`declined` says why there will be no fork server, `lent` names the surroundings that were found alike.

    What `is_usual` need not be told: that no such fork server is held, or that it is about to be made anew.
    """

    lent: str | None = None
    declined: str | None = None
    is_usual: bool = False

    def to_json(self) -> dict[str, Any]:
        return {"warm": VERSION, **vars(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Answer:
        """Raises ValueError for anything but an answer of this version."""
        if data.get("warm") != VERSION or data.keys() != {"warm", *cls.__dataclass_fields__}:
            raise ValueError("it is of another version of Refault")
        return cls(data["lent"], data["declined"], bool(data["is_usual"]))


def lists(environment: Environment) -> str:
    """A digest of what a fork server of this environment, and its base, are asked to import."""
    base = environment.base
    named = [environment.preload, base.key if base else None, base.preload if base else None]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()

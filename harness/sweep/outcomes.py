"""What each visited point showed in each arm, and the file it is kept in, so that a sweep can go on."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import foreign
from harness.errors import BadInput
from harness.facts import Params
from harness.observation import Fault, Point
from harness.observation.compare import plain
from harness.sweep.space import key
from harness.verdict import ArmName

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """The faults of one arm at one point: watched ones, and those beside."""

    faults: tuple[Fault, ...] = ()
    findings: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, point: Point) -> Seen:
        return cls(point.faults, point.findings)

    def to_json(self) -> dict[str, Any]:
        return {name: [fault.to_json() for fault in getattr(self, name)] for name in ("faults", "findings")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Seen:
        return cls(*(tuple(map(Fault.from_json, data[name])) for name in ("faults", "findings")))


@dataclass(frozen=True)
class Outcome:
    """One point in the arms that were seen there."""

    params: Params
    arms: Mapping[ArmName, Seen] = field(default_factory=dict)

    @property
    def bites(self) -> bool:
        """Whether undoing the fix shows a watched fault here."""
        return "reverted" in self.arms and bool(self.arms["reverted"].faults)


@dataclass(frozen=True)
class Book:
    """A file of one JSON line per outcome, behind a first line that says which sweep it belongs to."""

    path: Path
    about: Mapping[str, Any]

    def begin(self) -> None:
        """Start anew. BadInput if the file cannot be written."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(plain(self.about)) + "\n", encoding="utf-8")
        except OSError as error:
            raise BadInput(
                f"{self.path} cannot be written ({error.strerror}): set REFAULT_CACHE to another folder"
            ) from error

    def add(self, outcome: Outcome) -> None:
        """Keep one more. The book is incidental: where it cannot be written, that is a warning."""
        line = {
            "params": plain(outcome.params),
            "arms": {name: seen.to_json() for name, seen in outcome.arms.items()},
        }
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            _log.warning(
                "%s cannot be written (%s): --resume will not know what follows", self.path, error.strerror
            )

    def outcomes(self) -> dict[str, Outcome]:
        """What the file holds by the points' keys; nothing if it is another sweep's, or none.

        A last line that a killed run was still writing is left out. What is no book is a warning.
        """
        if not self.path.exists():
            return {}
        try:
            lines = foreign.text(self.path).split("\n")[:-1]
            if not lines or foreign.parsed(lines[0]) != plain(self.about):
                return {}
            return {key(outcome.params): outcome for outcome in _read(lines[1:])}
        except (BadInput, ValueError, TypeError, KeyError, AttributeError) as error:
            _log.warning("ignoring %s, which is no book of a sweep (%s)", self.path, foreign.cause(error))
            return {}


def _read(lines: list[str]) -> Iterator[Outcome]:
    for line in lines:
        data = foreign.parsed(line)
        arms: dict[ArmName, Seen] = {name: Seen.from_json(seen) for name, seen in data["arms"].items()}
        yield Outcome(data["params"], arms)

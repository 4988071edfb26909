"""Faults that a server's log tells of, and failures of the machinery that must not be taken for one."""

from __future__ import annotations

from dataclasses import dataclass

from harness.observation import Fault
from harness.serving import causes, events, lines

LAST_LINES = 20
"""Lines of the log that stand for an end nobody can name."""


@dataclass(frozen=True)
class Reading:
    """What a log says: faults in the order in which they came, and what else went wrong.

    `lacking` is what the machine or the command line lacked: nothing follows for the code under
    test where a server died of it. `storage` says that the log itself is not whole.
    """

    faults: tuple[Fault, ...] = ()
    lacking: str | None = None
    storage: str | None = None


def read(text: str) -> Reading:
    """The faults of a log, each once, without those that only follow from an earlier one."""
    found = causes.of(events.find(lines.split(text)))
    return Reading(found.faults, found.lacking, found.storage)


def last_lines(text: str, count: int = LAST_LINES) -> str:
    """The end of a log: what there is to say about an end that no pattern knows."""
    return "\n".join([line for line in text.splitlines() if line.strip()][-count:])

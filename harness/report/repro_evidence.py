"""The verdicts on one bug and their evidence in few lines, each told as soon as those before it are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from harness.facts import CaseKey
from harness.observation import Observation
from harness.observation.compare import named_params
from harness.report.terminal import explain, judged, say, summary
from harness.verdict import EvidenceClass, Result

FAULTS = 4
"""How many faults of an arm are listed before the rest is only counted."""
_WIDTH = 150
"""Characters of a fault or a note that are shown; the whole text is in the evidence (`--detail`)."""
_INDENT = 8


class Evidence:
    """Tells of results in the order of `keys`, whatever order they come in: all reports have the same.

    Where nobody reads it any more, or the disk is full, the run goes on: `end` raises what was refused.
    """

    def __init__(self, console: Console, keys: Sequence[CaseKey]) -> None:
        self._console, self._keys = console, list(keys)
        self._waiting: list[Result] = []
        self._told: list[Result] = []
        self._refused: OSError | SystemExit | None = None

    def add(self, result: Result) -> None:
        """Tell of it, and of those that waited for it; or have it wait for those before it."""
        self._waiting.append(result)
        while self._keys and (here := [one for one in self._waiting if one.key == self._keys[0]]):
            self._keys.pop(0)
            self._tell(here[0])

    def end(self) -> None:
        """Tell of what still waits, where a run was stopped, and how many there were of each verdict."""
        for result in sorted(self._waiting, key=lambda result: result.key):
            self._tell(result)
        if self._refused:
            raise self._refused
        say(self._console, ["", summary(self._told)])

    def _tell(self, result: Result) -> None:
        self._waiting.remove(result)
        self._told.append(result)
        if self._refused:
            return
        try:
            say(self._console, _failed(result) if result.failed else _held(result))
        except (OSError, SystemExit) as error:  # the latter is what rich makes of a reader that has gone
            self._refused = error


def _failed(result: Result) -> Iterator[str]:
    """All there is: whoever sees a failing verdict has to find out why."""
    yield from explain(result).splitlines()


def _held(result: Result) -> Iterator[str]:
    place = f"{result.tier} {result.platform}"
    if not result.arms:
        yield f"{judged(result)} {place}: {result.reason}"
        return
    why = "" if any(seen.main.faults for seen in result.arms.values()) else f": {result.reason}"
    point = f", default point {named_params(result.params)}" if result.params else ""
    yield f"{judged(result)} {place}, {_time(result)}{point}{why}"
    for name, seen in result.arms.items():
        yield from _indented(name, _shown(seen, result))


def _time(result: Result) -> str:
    """Both arms' time is their sum: they ran side by side, so that the command took less."""
    return f"{' + '.join(f'{seen.seconds:.1f}' for seen in result.arms.values())} s"


def _indented(name: str, lines: Iterator[str]) -> Iterator[str]:
    for index, line in enumerate(lines):
        yield f"  {name if not index else '':<{_INDENT}} {_cut(line)}"


def _shown(seen: Observation, result: Result) -> Iterator[str]:
    """How many points fault, then the faults and the notes of the default one."""
    faulty, count = sum(bool(point.faults) for point in seen.points), len(seen.points)
    shows = "have the signature" if result.evidence is EvidenceClass.SIGNATURE else "fault"
    if not faulty:
        yield "clean" if count == 1 else f"clean at all {count} points"
        return
    faults = [fault.signature for fault in seen.main.faults]
    yield from faults[:FAULTS]
    if faults[FAULTS:]:
        yield f"and {len(faults) - FAULTS} more"
    yield from seen.main.notes[:2]
    if count > 1:
        yield f"{faulty} of all {count} points {shows}"


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"

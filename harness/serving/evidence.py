"""What a server's own processes reported of failures, process by process, and what that amounts to.

Each process has a folder `<role>.<pid>` with its events (one JSON object a line) and its own stream,
which holds what only native code printed. Nobody has to guess who wrote a line.
"""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import foreign
from harness.errors import BadInput, Unresolved
from harness.process import log
from harness.serving import causes, events, lines
from harness.serving.causes import Causes
from harness.serving.events import Event
from harness.serving.reports import Lines

EVENTS, NATIVE = "events.jsonl", "native.log"
_FIRST = 0.0


def read(reports: Path, told: Lines | None = None) -> Causes | None:
    """The faults of a server from what its processes reported; None where none did.

    `told` is what they said of events, where somebody heard it: the files do not count then.
    """
    if told is None:
        there = sorted(folder for folder in reports.glob("*.*") if (folder / EVENTS).exists())
        told = {folder.name: list(_reported(folder / EVENTS)) for folder in there}
    if not told:
        return None
    found = [placed for name in sorted(told) for placed in _of(reports / name, told[name])]
    return causes.of([event for _, event in sorted(found, key=lambda placed: placed[0])])


def show(reports: Path, file: Path) -> None:
    """Add to the shared log what native code wrote elsewhere: people look there alone.

    It comes at the end, since such lines have no times; no disk for it is told by whoever looks for that.
    Beyond RLIMIT_FSIZE nothing is written: that would end this process (SIGXFSZ).
    """
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    with contextlib.suppress(OSError), file.open("ab") as shared:
        for folder in sorted(reports.glob("*.*")):
            if own := log.tail(folder / NATIVE, log.KEPT):
                told = f"[the own stream of {folder.name}]\n{own}\n".encode()
                if limit == resource.RLIM_INFINITY or shared.tell() + len(told) <= limit:
                    shared.write(told)


def _of(folder: Path, lines_told: Iterable[dict[str, Any]]) -> Iterator[tuple[float, Event]]:
    """The events of one process, each with its moment in seconds."""
    role, _, ranks = folder.name.rpartition(".")[0].partition(" ")
    for told in lines_told:
        for event in events.find(lines.split(told["text"])):
            yield told["at"], _by(event, role, ranks, told)
    yield from _native(folder / NATIVE, role, ranks)


def _native(file: Path, role: str, ranks: str) -> Iterator[tuple[float, Event]]:
    """Native code gives no times: what a device says came before Python met it, an end is its last word."""
    ended = file.stat().st_mtime if file.exists() else _FIRST
    for event in events.find(lines.split(log.tail(file, log.LARGEST))):
        yield (ended if _is_crash(event) else _FIRST), _by(event, role, ranks)


def _reported(file: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of the events: a process may have died over its last.

    Raises Unresolved for what is no event: to leave it out may be to leave out a fault.
    """
    try:
        for line in foreign.read(file).decode(errors="replace").split("\n")[:-1]:
            yield _event(foreign.parsed(line))
    except (BadInput, ValueError, TypeError, KeyError) as error:
        problem = f"what {foreign.shown(file.parent.name)} reported cannot be read"
        raise Unresolved(f"{problem} ({foreign.cause(error)}): run it again") from error


def _event(told: Any) -> dict[str, Any]:
    """ValueError, TypeError or KeyError unless it has the parts that are read of it."""
    if not isinstance(told["text"], str) or not isinstance(told["event"], str):
        raise TypeError("text or event is no text")
    if told["event"] == "record" and not isinstance(told["level"], str):
        raise TypeError("level is no text")
    return {**told, "at": float(told["at"])}


def _by(event: Event, role: str, ranks: str, told: dict[str, Any] | None = None) -> Event:
    """The event as this process's own, unless it is told of another."""
    ends = bool(told["ends"]) if told and "ends" in told else event.ends
    fault = event.fault
    if fault is not None and event.weight != "parent":
        fault = replace(fault, process=role)
    if told and told["event"] == "record" and event.lacking and told["level"] == "WARNING":
        return replace(event, lacking=None, fault=None)
    return replace(event, fault=fault, ranks=ranks, ends=ends)


def _is_crash(event: Event) -> bool:
    return event.fault is not None and event.fault.kind == "crash"

"""What a foreign log tells, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from harness.report.terminal import say
from harness.serving.logs import Reading
from harness.serving.triage import Match


def show(reading: Reading, found: Sequence[Match], console: Console) -> None:
    """Print the faults, what was lacking, the reproducers that match, and what to run."""
    say(console, [*_faults(reading), *_matches(reading, found)])


def _faults(reading: Reading) -> Iterator[str]:
    for fault in reading.faults:
        yield f"fault:    {fault.kind} in {fault.process or 'an unnamed process'}: {fault.message or ''}"
    if not reading.faults:
        yield "fault:    none"
    if reading.lacking:
        yield f"lacking:  {reading.lacking}"
    if reading.storage:
        yield f"storage:  {reading.storage}: the log is not whole"


def _matches(reading: Reading, found: Sequence[Match]) -> Iterator[str]:
    for match in found:
        yield f"match:    {match.reproducer.id}: {'; '.join(match.why)}"
    if found:
        number = found[0].reproducer.short_id.removeprefix("pr").removeprefix("issue")
        yield f"run next: refault repro {number}"
    elif reading.faults:
        yield "match:    none: no reproducer has these faults; `refault list` shows what there is"
    elif reading.lacking:
        yield "match:    none: give the machine what it lacked first"

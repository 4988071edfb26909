"""How a run of one bug ends: the releases, what to do by hand, what was not shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console

from harness.facts import Reproducer, Subject, Tier
from harness.matrix import declared
from harness.matrix.last_measured import Release
from harness.report.terminal import say
from harness.source import releases
from harness.suite.repro_plan import Step
from harness.verdict import EvidenceClass, Result

_LABEL = 10


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What is told at the end.

    `version` is the tree's, `target` what the user gave as `--sglang`, if not the default.
    """

    subject: Subject
    steps: Sequence[Step]
    results: Sequence[Result]
    measured: Sequence[Release]
    version: str | None = None
    target: str | None = None


def show(ending: Ending, console: Console) -> None:
    """Print it, below the evidence."""
    say(console, [""])
    for label, lines in _sections(ending):
        say(console, _labelled(label, list(lines)))


def _labelled(label: str, lines: Sequence[str]) -> Iterator[str]:
    for index, line in enumerate(lines):
        yield f"{label if not index else '':<{_LABEL}} {line}"


def _sections(ending: Ending) -> Iterator[tuple[str, Iterator[str]]]:
    if isinstance(ending.subject, Reproducer):
        yield "affected", _affected(ending.subject, ending.version, ending.measured)
    yield "by hand", _by_hand(ending)
    yield "not shown", _not_shown(ending)


def _affected(reproducer: Reproducer, version: str | None, measured: Sequence[Release]) -> Iterator[str]:
    bug, name = reproducer.bug, reproducer.short_id
    since = f"from {bug.introduced_in} on" if bug.introduced_in else "from the oldest releases on"
    release = releases.parse(version or "")
    said = declared(bug, release) if release else None
    yield f"declared: {since}, fixed in {bug.fixed_in}{f'; so {release} is {said.value}' if said else ''}"
    if not measured:
        yield f"measured: not yet; refault matrix {name}"
        return
    newest = max(one.on for one in measured)
    yield f"measured: {'; '.join(_ranges(measured))} (refault matrix, {newest.isoformat()})"


def _ranges(measured: Sequence[Release]) -> Iterator[str]:
    """Neighbours of one status in one phrase."""
    for status, ones in groupby(measured, key=lambda one: one.status):
        names = [one.release for one in ones]
        span = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} ({len(names)} releases)"
        yield f"{span} {status.value}"


def _by_hand(ending: Ending) -> Iterator[str]:
    subject, name = ending.subject, ending.subject.short_id
    is_bug = isinstance(subject, Reproducer)
    tree = f" --sglang {ending.target}" if ending.target else ""
    shown = "its revert, and servers to start by hand" if is_bug else "its server, to be started by hand"
    commands = {f"refault show {name}": shown}
    if any(result.arms for result in ending.results):
        arms = "both arms side by side, with all evidence" if is_bug else "all of the evidence"
        commands[f"refault repro {name} --detail{tree}"] = arms
    if any(step.request.tier is Tier.SERVER and not step.lacks for step in ending.steps):
        arm, what = ("reverted", "its server with the fix undone") if is_bug else ("fixed", "its server")
        commands[f"refault serve {name} --arm {arm}{tree}"] = f"{what}, left up"
        if is_bug:
            commands[f"refault repro {name} --tier server --keep{tree}"] = "both, judged and left up"
    width = max(map(len, commands))
    for command, what in commands.items():
        yield f"{command:<{width}}  {what}"


def _not_shown(ending: Ending) -> Iterator[str]:
    """What this machine or tree lacks, what was put off, and what a signature does not prove."""
    told = list(_untold(ending))
    yield from told or ["nothing: every case that was asked for ran here"]


def _untold(ending: Ending) -> Iterator[str]:
    for step in ending.steps:
        if step.lacks:
            yield f"{' on '.join(step.request.words)}: {step.lacks}"
    for step in ending.steps:
        if step.put_off:
            yield f"{step.request.tier} on {step.platform}, though it can be: {step.command}"
    if any(result.evidence is EvidenceClass.SIGNATURE and result.arms for result in ending.results):
        yield "wrong values in the codegen tier: it identifies the kernel and proves none; that takes the GPU"
    if isinstance(ending.subject, Reproducer) and ending.subject.reported:
        reported = ending.subject.reported
        as_reported = [launch for launch in reported.launches if not launch.note] or reported.launches
        hosts = ", ".join(launch.platform for launch in as_reported)
        yield f"the report's own server: {reported.model} on {hosts}"

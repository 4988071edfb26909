"""The commands of a result that are there to copy."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.documents import Document
from harness.facts import Reproducer, Subject
from harness.observation.compare import changed_params, named_params
from harness.verdict import Result


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command to copy, and what it is."""

    what: str
    text: str


def commands(result: Result, document: Document, subject: Subject | None) -> Iterator[Command]:
    """What runs the result again, and what shows its bug by hand, where its reproducer tells that."""
    yield Command(what="this result again", text=shlex.join(_again(result, document, subject)))
    reported = subject.reported if isinstance(subject, Reproducer) else None
    if reported is None:
        return
    for launch in reported.launches:
        note = f" ({launch.note})" if launch.note else ""
        yield Command(
            what=f"by hand: the server on {launch.platform}{note}", text=launch.command(reported.model)
        )
    yield Command(what=f"by hand: the client; an affected release: {reported.expect}", text=reported.client)


def _again(result: Result, document: Document, subject: Subject | None) -> Iterator[str]:
    """The words that run this result again: its arm, point, repeats and release, where they were chosen."""
    number = result.pr or result.issue
    yield from ("refault", "repro", str(number) if number else result.reproducer, "--tier", result.tier)
    if result.verdict is None:
        yield from (word for name in result.arms for word in ("--arm", name))
    for name, value in _chosen(result, subject).items():
        yield from ("--set", named_params({name: value}))
    if runs := max((int(rate["runs"]) for rate in result.rates.values()), default=0):
        yield from ("--repeat", str(runs))
    version = document.sglang.get("version")
    if document.sglang.get("origin") == "released" and version:
        yield from ("--sglang", str(version))


def _chosen(result: Result, subject: Subject | None) -> Mapping[str, Any]:
    """The parameters that were set by hand: those that differ from the default point of the case."""
    case = subject.case(result.tier, result.platform) if subject else None
    if case is None:
        return {}
    known = {name: value for name, value in result.params.items() if name in case.params}
    return changed_params(case.default, known)

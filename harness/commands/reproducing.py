"""Runs the cases of one bug, and tells of them from the plan to what follows from the evidence."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import catalogue
from harness.catalogue import Catalogue
from harness.commands import interruption, running
from harness.commands import report as report_command
from harness.commands import serve as serve_command
from harness.errors import BadInput
from harness.facts import Reproducer, Subject, Tier
from harness.matrix import last_measured
from harness.matrix.last_measured import Release
from harness.process.pool import Pool
from harness.report import json as json_report
from harness.report import repro_ending, terminal
from harness.report import repro_plan as plan_report
from harness.report.repro_evidence import Evidence
from harness.suite import Judged, Request, Setting, Suite, repro_plan, selection
from harness.suite.repro_plan import Here, Step
from harness.verdict import Result


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was typed: the bug, and the options of `refault repro`."""

    bug: str
    tiers: tuple[Tier, ...]
    arm: str | None
    settings: tuple[str, ...]
    repeat: int
    keep: bool
    detail: bool
    sglang: str
    elsewhere: tuple[Path, ...]
    target: json_report.Target | None
    key: Path | None
    page: Path | None
    lanes: int

    @property
    def brief(self) -> bool:
        """Whether the evidence of each case is told as soon as it is there, in few lines."""
        return not (self.tiers or self.settings or self.arm or self.detail)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What came of it, and the signal that ended it, if one did."""

    steps: Sequence[Step]
    judged: Sequence[Judged]
    stopped: KeyboardInterrupt | None
    evidence: Evidence | None

    @property
    def expected(self) -> int:
        return len(repro_plan.wanted(self.steps))


def reproduce(asked: Asked, pool: Pool) -> int:
    """Run what shows the bug here, in a pool that ends with it, and tell of it; the exit code."""
    known = catalogue.read(asked.elsewhere)
    subject = catalogue.find(asked.bug, known.subjects)
    if asked.keep and not subject.server:
        raise BadInput(f"--keep: {subject.short_id} has no server")
    requests = selection.one(subject, asked.tiers or subject.tiers, asked.settings, asked.arm)
    setting = running.setting(asked.sglang, asked.lanes, known)
    with pool:
        running.ahead(requests, setting, pool)
        run = _run(asked, subject, requests, setting, pool)
    _tell(asked, subject, run, setting, known)
    if asked.keep and not run.stopped:
        _keep(selection.one(subject, (Tier.SERVER,), asked.settings, asked.arm)[0], setting)
    return running.ended(running.ordered(run.judged), run.stopped)


def _run(asked: Asked, subject: Subject, requests: Sequence[Request], setting: Setting, pool: Pool) -> _Run:
    """What shows the bug soonest comes first."""
    steps = repro_plan.of(requests, _here(setting), asked=bool(asked.tiers))
    wanted = repro_plan.wanted(steps)
    _announce(subject, setting, steps)
    evidence = _evidence(asked, wanted, setting) if asked.brief else None
    told: Callable[[Result], None] = evidence.add if evidence else lambda result: None
    judged, stopped = running.judge(wanted, setting, asked.repeat, arms=True, pool=pool, told=told)
    return _Run(steps=steps, judged=judged, stopped=stopped, evidence=evidence)


def _evidence(asked: Asked, wanted: Sequence[Request], setting: Setting) -> Evidence:
    keys = sorted(request.on(setting.machine).key(setting.machine) for request in wanted)
    return Evidence(terminal.console(stderr=asked.target == "-"), keys)


def _tell(asked: Asked, subject: Subject, run: _Run, setting: Setting, known: Catalogue) -> None:
    """What was not told meanwhile, and keep the results."""
    results = running.ordered(run.judged)
    console = terminal.console(stderr=asked.target == "-")
    ending = repro_ending.Ending(
        subject=subject, steps=run.steps, results=results, measured=_measured(subject, setting),
        version=setting.tree.version, target=None if asked.sglang == "installed" else asked.sglang,
    )  # fmt: skip
    partial = interruption.partial(run.stopped, run.expected)
    with running.kept(results, setting, known, asked.target, asked.page, partial, asked.key):
        if run.evidence:
            run.evidence.end()
        else:
            terminal.show(results, console, detail=True, expected=run.expected)
        repro_ending.show(ending, console)


def _here(setting: Setting) -> Here:
    return Here(
        tree=setting.tree,
        machine=setting.machine,
        lanes=setting.lanes,
        past=report_command.past(None),
        goldens=setting.goldens,
    )


def _announce(subject: Subject, setting: Setting, steps: Sequence[Step]) -> None:
    terminal.say(terminal.console(stderr=True), plan_report.lines(subject, setting.tree, steps))


def _measured(subject: Subject, setting: Setting) -> list[Release]:
    """What the matrix found of this bug on this machine; nothing for a configuration."""
    if not isinstance(subject, Reproducer):
        return []
    return last_measured.of(setting.workspace.matrix, subject)


def _keep(request: Request, setting: Setting) -> None:
    with contextlib.suppress(KeyboardInterrupt), Suite(setting) as suite:  # Ctrl-C is how it ends
        serve_command.keep(request, suite)

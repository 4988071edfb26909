"""`refault repro`: one bug, from its number to what it shows on this machine."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from harness import catalogue
from harness.commands import interruption, running
from harness.commands import report as report_command
from harness.commands import serve as serve_command
from harness.commands.options import (
    check_signing,
    html_option,
    json_option,
    lanes_option,
    reproducers_option,
    sglang_option,
    sign_option,
    tier_option,
)
from harness.errors import BadInput
from harness.facts import Reproducer, Subject, Tier
from harness.matrix import last_measured
from harness.matrix.last_measured import Release
from harness.report import json as json_report
from harness.report import repro_ending, terminal
from harness.report import repro_plan as plan_report
from harness.suite import Request, Setting, Suite, repro_plan, selection
from harness.suite.repro_plan import Here, Step


@click.command("repro")
@click.argument("bug")
@tier_option
@click.option(
    "--arm", type=click.Choice(["fixed", "reverted"]), help="Run only this arm; that proves nothing."
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of the case; repeatable."
)
@click.option(
    "--repeat",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Run each case up to N times, until the intervals of the arms' fault rates (95 %) are apart.",
)
@click.option("--keep", is_flag=True, help="Then start both arms' servers, and leave them up until Ctrl-C.")
@click.option("--detail", is_flag=True, help="Show both arms side by side, with all of the evidence.")
@sglang_option
@reproducers_option
@json_option
@sign_option
@html_option
@lanes_option
def command(
    bug: str,
    tiers: tuple[Tier, ...],
    arm: str | None,
    settings: tuple[str, ...],
    repeat: int,
    keep: bool,
    detail: bool,
    sglang: str,
    elsewhere: tuple[Path, ...],
    target: json_report.Target | None,
    key: Path | None,
    page: Path | None,
    lanes: int,
) -> None:
    """Reproduce one bug in both arms and show the evidence.

    BUG is a pull request number, an issue number, or a reproducer's id. Without --tier, --set and --arm
    only what shows the bug quickest on this machine runs, and the evidence is told in brief.
    """
    check_signing(key, target)
    known = catalogue.read(elsewhere)
    subject = catalogue.find(bug, known.subjects)
    if keep and not subject.server:
        raise BadInput(f"--keep: {subject.short_id} has no server")
    asked = selection.one(subject, tiers or subject.tiers, settings, arm)
    setting = running.setting(sglang, lanes, known)
    with running.ahead(asked, setting) as pool:
        steps = repro_plan.of(asked, _here(setting), asked=bool(tiers))
        _announce(subject, setting, steps)
        judged, stopped = running.judge(repro_plan.wanted(steps), setting, repeat, arms=True, pool=pool)
    results = running.ordered(judged)
    console = terminal.console(stderr=target == "-")
    brief = not (tiers or settings or arm or detail)
    ending = repro_ending.Ending(
        subject=subject, steps=steps, results=results, measured=_measured(subject, setting),
        version=setting.tree.version, target=None if sglang == "installed" else sglang,
    )  # fmt: skip
    partial = interruption.partial(stopped, len(repro_plan.wanted(steps)))
    with running.kept(results, setting, known, target, page, partial, key):
        if not brief:
            terminal.show(results, console, detail=True, expected=len(repro_plan.wanted(steps)))
        repro_ending.show(ending, console, brief=brief)
    if keep and not stopped:
        _keep(selection.one(subject, (Tier.SERVER,), settings, arm)[0], setting)
    sys.exit(running.ended(results, stopped))


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

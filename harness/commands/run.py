"""`refault run`: the table of verdicts."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness import catalogue
from harness.commands import running
from harness.commands.options import (
    check_signing,
    detail_option,
    html_option,
    json_option,
    lanes_option,
    reproducers_option,
    sglang_option,
    sign_option,
    tier_option,
)
from harness.facts import Tier
from harness.report import json as json_report
from harness.suite import selection


@click.command("run")
@click.argument("bugs", nargs=-1)
@tier_option
@sglang_option
@reproducers_option
@json_option
@sign_option
@html_option
@lanes_option
@detail_option
def command(
    bugs: tuple[str, ...],
    tiers: tuple[Tier, ...],
    sglang: str,
    elsewhere: tuple[Path, ...],
    target: json_report.Target | None,
    key: Path | None,
    page: Path | None,
    lanes: int,
    detail: bool,
) -> None:
    """Run reproducers (all of them without BUGS) and print the table of verdicts."""
    check_signing(key, target)
    known = catalogue.read(elsewhere)
    running.refuse_orphans(known)
    wanted = selection.select(bugs, tiers, known.subjects)
    setting = running.setting(sglang, lanes, known)
    results, stopped = running.judge(wanted, setting)
    running.tell(results, len(wanted), setting, known, target, page, detail=detail, stopped=stopped, key=key)
    sys.exit(running.ended([one.result for one in results], stopped))

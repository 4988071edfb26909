"""`refault repro`: one bug, from its number to what it shows on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness import homes
from harness.commands import head_start
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
from harness.facts import Tier
from harness.report import json as json_report


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
    own = homes.every(elsewhere)
    with head_start.pool(sglang, own, lanes, head_start.kind(bug, tiers)) as pool:
        # The pool is at work already while the rest of the harness is read.
        from harness.commands import reproducing

        asked = reproducing.Asked(
            bug=bug, tiers=tiers, arm=arm, settings=settings, repeat=repeat, keep=keep, detail=detail,
            sglang=sglang, elsewhere=elsewhere, target=target, key=key, page=page, lanes=lanes,
        )  # fmt: skip
        code = reproducing.reproduce(asked, pool)
    sys.exit(code)

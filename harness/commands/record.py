"""`refault record`: goldens from what both arms show here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from harness import catalogue
from harness.catalogue import Catalogue
from harness.commands import interruption, running
from harness.commands.options import lanes_option, reproducers_option, sglang_option, tier_option
from harness.draft import marks
from harness.errors import BadInput, RefaultError
from harness.facts import Tier
from harness.golden import Recorded
from harness.report.terminal import tell
from harness.suite import Judged, Request, Setting, selection
from harness.suite.recorded import provenance
from harness.verdict import Verdict, golden_of


@click.command("record")
@click.argument("bugs", nargs=-1)
@tier_option
@click.option("--update", is_flag=True, help="Replace goldens that differ, after showing the difference.")
@sglang_option
@reproducers_option
@lanes_option
def command(
    bugs: tuple[str, ...],
    tiers: tuple[Tier, ...],
    update: bool,
    sglang: str,
    elsewhere: tuple[Path, ...],
    lanes: int,
) -> None:
    """Record missing goldens for this platform.

    A draft of `refault new` in which a TODO is left is refused.
    """
    known = catalogue.read(elsewhere)
    running.refuse_orphans(known)
    setting = running.setting(sglang, lanes, known)
    wanted = selection.select(bugs, tiers, known.subjects)
    _refuse_installed(known, wanted)
    for module in dict.fromkeys(catalogue.file_of(request.reproducer) for request in wanted):
        marks.refuse(module)
    judged, stopped = running.judge(wanted, setting)
    ordered = sorted(judged, key=lambda one: one.result.key)  # not as they happened to end
    outcomes = [_record(one, setting, update) for one in ordered]
    interruption.end(stopped, int(any(outcome in ("refused", "differs") for outcome in outcomes)))


def _refuse_installed(known: Catalogue, wanted: Sequence[Request]) -> None:
    """BadInput for a reproducer of an installed package: nothing is written there."""
    installed = {
        f"{home.package}.{module}" for home in known.homes if home.is_installed for module in home.modules
    }
    for request in wanted:
        if request.reproducer.module in installed:
            file = catalogue.file_of(request.reproducer)
            remedy = "record in a checkout of that package, installed with pip install --editable"
            raise BadInput(f"{file}: is installed, and nothing is written there: {remedy}")


def _record(judged: Judged, setting: Setting, update: bool) -> str:
    if judged.result.verdict is Verdict.UNSUPPORTED:
        tell(f"skipped   {judged.result.reproducer} {judged.result.tier}: {judged.result.reason}")
        return "skipped"
    try:
        command = f"refault record {judged.result.reproducer} --tier {judged.result.tier}"
        golden = golden_of(judged.result, judged.evidence, provenance(setting, judged.result, command))
        recorded = setting.goldens.record(golden, update=update, show=_show_diff)
    except RefaultError as error:
        tell(f"refused   {error}")
        return "refused"
    _tell(recorded)
    return recorded.status


def _show_diff(diff: str) -> None:
    tell(diff, keep="\n\t")


def _tell(recorded: Recorded) -> None:
    tell(f"{recorded.status:<9} {recorded.path}")
    if recorded.status == "differs":
        _show_diff(recorded.diff)
        tell("left as it is: replace it with `refault record --update`")

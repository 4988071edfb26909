"""The command `refault`."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from harness import __version__, catalogue
from harness.catalogue import Catalogue
from harness.commands import bisect as bisect_command
from harness.commands import doctor as doctor_command
from harness.commands import gate as gate_command
from harness.commands import history as history_command
from harness.commands import interruption, running, streams
from harness.commands import matrix as matrix_command
from harness.commands import mine as mine_command
from harness.commands import new as new_command
from harness.commands import report as report_command
from harness.commands import repro as repro_command
from harness.commands import serve as serve_command
from harness.commands import sweep as sweep_command
from harness.commands import triage as triage_command
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
from harness.draft import marks
from harness.errors import BadInput, RefaultError
from harness.facts import Reproducer, Tier
from harness.foreign import cause, shown
from harness.golden import GoldenStore, Recorded
from harness.machine.workspace import default as default_workspace
from harness.report import json as json_report
from harness.report.describe import describe
from harness.report.terminal import tell
from harness.source.resolve import resolve
from harness.suite import Judged, Request, Setting, selection
from harness.suite.recorded import provenance
from harness.verdict import Verdict, golden_of

_LONGEST = 2000
"""Characters of an error that are shown."""
_OBJECTS = 100_000
"""So many new objects are made before cycles among them are looked for."""
F = TypeVar("F", bound=Callable[..., Any])


def _collect_less() -> None:
    """Syntax trees and documents are millions of objects without a cycle, and modules stay."""
    gc.freeze()
    gc.set_threshold(_OBJECTS, 20, 100)


def main() -> None:
    """Run the command; every error is one line, unless REFAULT_TRACEBACK asks for more."""
    _collect_less()
    streams.prepare()
    interruption.take()
    try:
        with streams.written():
            sys.exit(app.main(standalone_mode=False, prog_name="refault"))
    except click.exceptions.Abort as error:
        sys.exit(interruption.code(_interrupt(error)))
    except KeyboardInterrupt as error:
        sys.exit(interruption.code(error))
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except BadInput as error:
        _fail(str(error), 2)
    except RefaultError as error:
        _fail(str(error), 3)
    except OSError as error:
        _fail(f"{shown(error.filename or 'this machine')}: {cause(error)}: make room, or name another", 2)
    except Exception as error:  # noqa: BLE001 - 1 would be a verdict, and a traceback helps nobody who runs this
        what = f"{type(error).__name__}: {error}"
        _fail(f"Refault itself failed ({shown(what)}): report it with what REFAULT_TRACEBACK=1 shows", 3)


def _interrupt(error: click.exceptions.Abort) -> KeyboardInterrupt:
    """What click made an Abort of; the end of standard input counts as Ctrl-C."""
    return error.__cause__ if isinstance(error.__cause__, KeyboardInterrupt) else KeyboardInterrupt()


def _fail(message: str, code: int) -> None:
    if os.environ.get("REFAULT_TRACEBACK"):
        raise
    tell(f"refault: {shown(' '.join(message.split()), _LONGEST)}", stderr=True)
    sys.exit(code)


detail_option = click.option("--detail", is_flag=True, help="Show the evidence of passing results too.")


@click.group(cls=streams.Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="refault")
def app() -> None:
    """Shows that a fixed SGLang bug is still fixed, and that its reproducer still bites."""


app.add_command(bisect_command.command)
app.add_command(doctor_command.command)
app.add_command(gate_command.command)
app.add_command(history_command.command)
app.add_command(matrix_command.command)
app.add_command(mine_command.command)
app.add_command(new_command.command)
app.add_command(report_command.command)
app.add_command(repro_command.command)
app.add_command(sweep_command.command)
app.add_command(serve_command.command)
app.add_command(triage_command.command)


# --- looking -------------------------------------------------------------------------------


@app.command("list")
@reproducers_option
def list_reproducers(elsewhere: tuple[Path, ...]) -> None:
    """List the reproducers: id, tiers, releases, title."""
    for subject in catalogue.read(elsewhere).subjects:
        about = f"fixed in {subject.bug.fixed_in}" if isinstance(subject, Reproducer) else "configuration"
        tell(f"{subject.short_id:<26} {','.join(subject.tiers):<21} {about:<21} {subject.title}")


@app.command()
@click.argument("bug")
@sglang_option
@reproducers_option
def show(bug: str, sglang: str, elsewhere: tuple[Path, ...]) -> None:
    """Show one reproducer: the bug, its parameters, and what its revert changes.

    BUG is a pull request number, an issue number, or a reproducer's id.
    """
    subject = catalogue.find(bug, catalogue.read(elsewhere).subjects)
    tell(describe(subject, resolve(sglang, default_workspace().releases)), keep="\n\t")


# --- running -------------------------------------------------------------------------------


@app.command()
@click.argument("bugs", nargs=-1)
@tier_option
@sglang_option
@reproducers_option
@json_option
@sign_option
@html_option
@lanes_option
@detail_option
def run(
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
    _refuse_orphans(known)
    wanted = selection.select(bugs, tiers, known.subjects)
    setting = running.setting(sglang, lanes, known)
    results, stopped = running.judge(wanted, setting)
    running.tell(results, len(wanted), setting, known, target, page, detail=detail, stopped=stopped, key=key)
    sys.exit(running.ended([one.result for one in results], stopped))


@app.command()
@click.argument("bugs", nargs=-1)
@tier_option
@click.option("--update", is_flag=True, help="Replace goldens that differ, after showing the difference.")
@sglang_option
@reproducers_option
@lanes_option
def record(
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
    _refuse_orphans(known)
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


def _refuse_orphans(known: Catalogue) -> None:
    owned = {(reproducer.id, tier) for reproducer in known.subjects for tier in reproducer.tiers}
    orphans = GoldenStore.of(known.homes).orphans(owned)
    if orphans:
        raise BadInput(f"{orphans[0]}: no reproducer owns this golden: delete it, or restore its reproducer")


# --- recording -----------------------------------------------------------------------------


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

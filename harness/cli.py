"""The command `refault`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import click

from harness import __version__, catalogue, doctor, requests
from harness.commands import bisect as bisect_command
from harness.commands import gate as gate_command
from harness.commands import history as history_command
from harness.commands import kit as kit_command
from harness.commands import matrix as matrix_command
from harness.commands import new as new_command
from harness.commands import report as report_command
from harness.commands import serve as serve_command
from harness.commands import sweep as sweep_command
from harness.commands.options import html_option, json_option, lanes_option, sglang_option
from harness.errors import BadInput, RefaultError
from harness.facts import Reproducer, Subject
from harness.golden import GoldenStore, Recorded
from harness.machine import this_machine
from harness.repeat import repeated, summed
from harness.report import json as json_report
from harness.report import terminal
from harness.report.describe import describe
from harness.report.progress import Progress
from harness.source.resolve import resolve
from harness.source.tree import Tree
from harness.suite import Judged, Request, Setting, Suite
from harness.verdict import Result, Verdict, exit_code, golden_of
from harness.workspace import default as default_workspace

INTERRUPTED = 130
F = TypeVar("F", bound=Callable[..., Any])


def main() -> None:
    """Run the command; every error is one line, unless REFAULT_TRACEBACK asks for more."""
    try:
        sys.exit(app.main(standalone_mode=False, prog_name="refault"))
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except BadInput as error:
        _fail(str(error), 2)
    except RefaultError as error:
        _fail(str(error), 3)


def _fail(message: str, code: int) -> None:
    if os.environ.get("REFAULT_TRACEBACK"):
        raise
    print(f"refault: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


# --- options -------------------------------------------------------------------------------


tier_option = click.option(
    "--tier", "tiers", multiple=True, type=click.Choice(requests.TIERS), help="Only this tier; repeatable."
)
detail_option = click.option("--detail", is_flag=True, help="Show the evidence of passing results too.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="refault")
def app() -> None:
    """Shows that a fixed SGLang bug is still fixed, and that its reproducer still bites."""


app.add_command(bisect_command.command)
app.add_command(gate_command.command)
app.add_command(history_command.command)
app.add_command(kit_command.command)
app.add_command(matrix_command.command)
app.add_command(new_command.command)
app.add_command(report_command.command)
app.add_command(sweep_command.command)
app.add_command(serve_command.command)


# --- looking -------------------------------------------------------------------------------


@app.command("list")
def list_reproducers() -> None:
    """List the reproducers: id, tiers, releases, title."""
    for subject in catalogue.subjects():
        about = f"fixed in {subject.bug.fixed_in}" if isinstance(subject, Reproducer) else "configuration"
        print(f"{subject.short_id:<26} {','.join(subject.tiers):<21} {about:<21} {subject.title}")


@app.command()
@click.argument("bug")
@sglang_option
def show(bug: str, sglang: str) -> None:
    """Show one reproducer: the bug, its parameters, and what its revert changes.

    BUG is a pull request number, an issue number, or a reproducer's id.
    """
    subject = catalogue.find(bug, catalogue.subjects())
    print(describe(subject, resolve(sglang, default_workspace().releases)))


@app.command("doctor")
def run_doctor() -> None:
    """Say what this machine has and lacks. Ends with 1 if something is wrong."""
    checks = list(doctor.checks(this_machine(), default_workspace(), catalogue.load_all()))
    marks = {True: "ok", False: "WRONG", None: "lacks"}
    for check in checks:
        print(f"{marks[check.ok]:<6} {check.name:<10} {check.found}")
    sys.exit(1 if any(check.ok is False for check in checks) else 0)


# --- running -------------------------------------------------------------------------------


@app.command()
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
    help="Run each case up to N times, until the arms' rates of faults are surely apart.",
)
@click.option("--keep", is_flag=True, help="Then start both arms' servers, and leave them up until Ctrl-C.")
@sglang_option
@json_option
@html_option
@lanes_option
def repro(
    bug: str,
    tiers: tuple[str, ...],
    arm: str | None,
    settings: tuple[str, ...],
    repeat: int,
    keep: bool,
    sglang: str,
    target: json_report.Target | None,
    page: Path | None,
    lanes: int,
) -> None:
    """Reproduce one bug in both arms and show the evidence.

    BUG is a pull request number, an issue number, or a reproducer's id.
    """
    reproducer = catalogue.find(bug, catalogue.subjects())
    if keep and not reproducer.server:
        raise BadInput(f"--keep: {reproducer.short_id} has no server")
    wanted = requests.one(reproducer, tiers, settings, arm)
    setting = _setting(sglang, lanes)
    code = _run(wanted, setting, target, page=page, detail=True, repeat=repeat)
    if keep and code != INTERRUPTED:
        _keep(requests.one(reproducer, (requests.SERVER,), settings, arm)[0], setting)
    sys.exit(code)


def _keep(request: Request, setting: Setting) -> None:
    with contextlib.suppress(KeyboardInterrupt), Suite(setting) as suite:  # Ctrl-C is how it ends
        serve_command.keep(request, suite)


@app.command()
@click.argument("bugs", nargs=-1)
@tier_option
@sglang_option
@json_option
@html_option
@lanes_option
@detail_option
def run(
    bugs: tuple[str, ...],
    tiers: tuple[str, ...],
    sglang: str,
    target: json_report.Target | None,
    page: Path | None,
    lanes: int,
    detail: bool,
) -> None:
    """Run reproducers (all of them without BUGS) and print the table of verdicts."""
    known = catalogue.subjects()
    _refuse_orphans(known)
    wanted = requests.select(bugs, tiers, known)
    sys.exit(_run(wanted, _setting(sglang, lanes), target, page=page, detail=detail))


@app.command()
@click.argument("bugs", nargs=-1)
@tier_option
@click.option("--update", is_flag=True, help="Replace goldens that differ, after showing the difference.")
@sglang_option
@lanes_option
def record(bugs: tuple[str, ...], tiers: tuple[str, ...], update: bool, sglang: str, lanes: int) -> None:
    """Record missing goldens for this platform."""
    known = catalogue.subjects()
    _refuse_orphans(known)
    setting = _setting(sglang, lanes)
    wanted = requests.select(bugs, tiers, known)
    judged, interrupted = _judge(wanted, setting)
    ordered = sorted(judged, key=lambda one: _place(one.result))  # not as they happened to end
    outcomes = [_record(one, setting, update) for one in ordered]
    if interrupted:
        sys.exit(INTERRUPTED)
    sys.exit(1 if any(outcome in ("refused", "differs") for outcome in outcomes) else 0)


def _setting(sglang: str, lanes: int) -> Setting:
    return Setting(
        tree=resolve(sglang, default_workspace().releases),
        machine=this_machine(),
        goldens=GoldenStore(catalogue.golden_folder()),
        workspace=default_workspace(),
        lanes=lanes,
    )


def _refuse_orphans(known: Sequence[Subject]) -> None:
    owned = {(reproducer.id, tier) for reproducer in known for tier in reproducer.tiers}
    orphans = GoldenStore(catalogue.golden_folder()).orphans(owned)
    if orphans:
        raise BadInput(f"{orphans[0]}: no reproducer owns this golden: delete it, or restore its reproducer")


def _judge(wanted: Sequence[Request], setting: Setting, repeat: int = 1) -> tuple[list[Judged], bool]:
    """Run the cases; also says whether Ctrl-C ended the run before all of them were judged."""
    found: list[Judged] = []
    progress = Progress(len(wanted))
    try:
        with Suite(setting) as suite, progress.running():
            once = suite.run(wanted)
            for judged in once if repeat == 1 else _repeated(wanted, suite, repeat):
                found.append(judged)
                progress.finished(judged.result)
    except KeyboardInterrupt:
        return found, True
    return found, False


def _repeated(wanted: Sequence[Request], suite: Suite, most: int) -> Iterator[Judged]:
    return (summed(list(repeated(request, suite, most))) for request in wanted)


def _run(
    wanted: Sequence[Request],
    setting: Setting,
    target: json_report.Target | None,
    *,
    page: Path | None,
    detail: bool,
    repeat: int = 1,
) -> int:
    judged, interrupted = _judge(wanted, setting, repeat)
    results = [one.result for one in judged]
    _report(results, len(wanted), setting, target, page, detail)
    return INTERRUPTED if interrupted else exit_code(results)


def _report(
    results: Sequence[Result],
    expected: int,
    setting: Setting,
    target: json_report.Target | None,
    page: Path | None,
    detail: bool,
) -> None:
    results = sorted(results, key=_place)
    terminal.show(results, terminal.console(stderr=target == "-"), detail=detail, expected=expected)
    document = json_report.document(results, setting.machine.to_json(), _facts(setting.tree))
    if target is not None:
        json_report.write(target, document)
    if results:
        report_command.finished(document, page)


def _place(result: Result) -> tuple[str, str, str]:
    """Where a result stands in a report."""
    return result.reproducer, result.tier, result.platform


def _facts(tree: Tree) -> dict[str, str | None]:
    return {"version": tree.version, "origin": tree.origin, "tree": tree.content_hash, "root": str(tree.root)}


# --- recording -----------------------------------------------------------------------------


def _record(judged: Judged, setting: Setting, update: bool) -> str:
    if judged.result.verdict is Verdict.UNSUPPORTED:
        print(f"skipped   {judged.result.reproducer} {judged.result.tier}: {judged.result.reason}")
        return "skipped"
    try:
        golden = golden_of(judged.result, judged.evidence, _provenance(setting, judged.result))
        recorded = setting.goldens.record(golden, update=update, show=print)
    except RefaultError as error:
        print(f"refused   {error}")
        return "refused"
    _tell(recorded)
    return recorded.status


def _tell(recorded: Recorded) -> None:
    print(f"{recorded.status:<9} {recorded.path}")
    if recorded.status == "differs":
        print(recorded.diff)
        print("left as it is: replace it with `refault record --update`")


def _provenance(setting: Setting, result: Result) -> dict[str, str]:
    command = f"refault record {result.reproducer} --tier {result.tier}"
    versions = {"sglang": setting.tree.version or "unknown", **setting.machine.facts}
    return {**versions, "platform": result.platform, "command": command, "recorded": date.today().isoformat()}

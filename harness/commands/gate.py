"""`refault gate`: may this be released?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import click

from harness import catalogue, documents, requests
from harness.commands import interruption, running
from harness.commands import report as report_command
from harness.commands.options import lanes_option
from harness.errors import BadInput
from harness.facts import Subject
from harness.gate import policy as policies
from harness.gate.decision import Decision, decide
from harness.gate.policy import Policy
from harness.gate.results import Results, gather
from harness.gate.wanted import wanted
from harness.golden import GoldenStore
from harness.machine import Machine, this_machine
from harness.report import gate as report
from harness.report import json as json_report
from harness.report import terminal
from harness.source.resolve import resolve
from harness.suite import Request, Setting
from harness.verdict import Result
from harness.workspace import default as default_workspace

RESULTS = "results.json"
"""What a gate that runs something leaves for a merge."""
_DECISION = ("decision.json", "decision.md", "decision.html")


@click.command("gate")
@click.option(
    "--sglang",
    metavar="TREE",
    help="The build: installed, a release, a wheel, or a path. [default: installed]",
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path),
    default=policies.DEFAULT,
    metavar="FILE",
    help="What must be shown; by default evidence from cuda-sm90 and rocm-gfx942.",
)
@click.option(
    "--platform", "platforms", multiple=True, help="Ask only what the policy asks of this one; repeatable."
)
@click.option(
    "--report",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where decision.json, .md and .html go.",
)
@click.option("--merge", is_flag=True, help="Run nothing; decide by the RESULTS that several machines left.")
@lanes_option
@click.argument("files", nargs=-1, metavar="[RESULTS]...", type=click.Path(path_type=Path))
def command(
    sglang: str | None,
    policy_file: Path,
    platforms: tuple[str, ...],
    folder: Path,
    merge: bool,
    lanes: int,
    files: tuple[Path, ...],
) -> None:
    """Decide whether a build may be released: 0 if it may, 1 if something blocks it.

    Runs what the policy asks and this machine can show. RESULTS are files that `--json` wrote, or the
    results.json of another gate; they need --merge.
    """
    if files and not merge:
        raise BadInput(f"{files[0]}: results are only read with --merge: add it")
    policy, known = policies.load(policy_file), catalogue.subjects()
    if merge:
        results = gather(documents.load_all(files))
        _check_build(results, sglang)
        _prepare(folder, _DECISION)
    else:
        _prepare(folder, (*_DECISION, RESULTS))
        results = _run(policy, known, platforms, sglang or "installed", lanes, folder)
    decision = decide(policy, results, known, date.today(), platforms)
    _write(decision, folder)
    for line in filter(None, report.lines(decision)):
        terminal.tell(line)
    sys.exit(1 if decision.blocking else 0)


def _prepare(folder: Path, written: Sequence[str]) -> None:
    """Make the folder, without an old decision in it that could be taken for this one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in written:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        problem = f"--report {folder}: cannot be written ({error.strerror})"
        raise BadInput(f"{problem}: name a folder that can be") from error


def _check_build(results: Results, sglang: str | None) -> None:
    """BadInput where the results are not of the build that the user named."""
    if sglang is None:
        return
    tree = resolve(sglang, default_workspace().releases)
    if tree.content_hash != results.build.tree:
        asked = f"--sglang {sglang} is {tree.content_hash[:12]}"
        raise BadInput(f"{asked}, but the results are of {results.build.name}: run that build everywhere")


def _run(
    policy: Policy, known: Sequence[Subject], platforms: Sequence[str], sglang: str, lanes: int, folder: Path
) -> Results:
    machine, tree = this_machine(), resolve(sglang, default_workspace().releases)
    setting = Setting(
        tree=tree,
        machine=machine,
        goldens=GoldenStore(catalogue.golden_folder()),
        workspace=default_workspace(),
        lanes=lanes,
    )
    asked = _requests(policy, known, platforms, setting)
    results, stopped = _judged(asked, setting)
    partial = interruption.partial(stopped, len(asked))
    document = json_report.document(results, machine.to_json(), running.facts(tree), partial)
    with interruption.held():
        json_report.write(folder / RESULTS, document)
        report_command.finished(document, None)
    if stopped:
        told = f"ended by {interruption.name(stopped)}: no decision; {folder / RESULTS} has what was judged"
        terminal.tell(f"refault: {told}", stderr=True)
        sys.exit(interruption.code(stopped))
    return gather([documents.parse(document, name=RESULTS)])


def _requests(
    policy: Policy, known: Sequence[Subject], platforms: Sequence[str], setting: Setting
) -> list[Request]:
    """What the policy asks and this machine can show, as often as the policy asks."""
    found: list[Request] = []
    for wish in wanted(policy, known):
        asked = (not platforms or wish.platform in platforms) and wish.requirement.asks(setting.tree.version)
        for request in requests.select([wish.subject.id], [wish.tier], [wish.subject]) if asked else ():
            if _shows(request, setting.machine, wish.platform):
                found += [request] * wish.requirement.bounds.repeats
    return found


def _shows(request: Request, machine: Machine, platform: str) -> bool:
    """Whether a case, run here, is evidence for the platform: what `Row.place` says of its result."""
    if request.tier == "server":
        return machine.platform == platform
    if request.tier == "kernel" and request.platform:  # the machine's own accelerator
        return machine.platform == platform and request.platform == machine.host
    return (request.platform or "cpu") == platform


def _judged(wanted: Sequence[Request], setting: Setting) -> tuple[list[Result], KeyboardInterrupt | None]:
    """The results, and the signal that ended the run before all of them were judged, if one did."""
    judged, stopped = running.judge(wanted, setting) if wanted else ([], None)
    return running.ordered(judged), stopped


def _write(decision: Decision, folder: Path) -> None:
    json_report.write(folder / "decision.json", decision.to_json())
    for name, text in (("decision.md", report.markdown(decision)), ("decision.html", report.page(decision))):
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            problem = f"{folder / name}: cannot be written ({error.strerror})"
            raise BadInput(f"{problem}: name a folder that can be with --report") from error

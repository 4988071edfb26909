"""`refault gate`: may this be released?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click

from harness import catalogue, documents, foreign
from harness.catalogue import Catalogue
from harness.commands import interruption, options, running
from harness.commands import report as report_command
from harness.commands.options import lanes_option, reproducers_option, sign_option
from harness.documents import Document, signatures
from harness.errors import BadInput
from harness.facts import Platform, Subject
from harness.gate import policy as policies
from harness.gate.again import Measure
from harness.gate.decision import Decision, decide
from harness.gate.policy import Policy
from harness.gate.results import Build, Results, gather, unfit
from harness.gate.wanted import wanted
from harness.machine.workspace import default as default_workspace
from harness.report import gate as report
from harness.report import json as json_report
from harness.report import terminal
from harness.source import known as known_releases
from harness.source import releases
from harness.source.resolve import resolve
from harness.source.tree import Tree
from harness.suite import Bench, Request, Setting, selection
from harness.verdict import Result

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
@options.platforms_option(help="Ask only for what the policy requires of this platform; repeatable.")
@click.option(
    "--report",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where decision.json, .md and .html go.",
)
@click.option("--merge", is_flag=True, help="Run nothing; decide by the RESULTS that several machines left.")
@click.option(
    "--trust",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --merge: only results that one of these signers signed count (ssh-keygen's ALLOWED SIGNERS).",
)
@reproducers_option
@sign_option
@lanes_option
@click.argument("files", nargs=-1, metavar="[RESULTS]...", type=click.Path(path_type=Path))
def command(
    sglang: str | None,
    policy_file: Path,
    platforms: tuple[Platform, ...],
    folder: Path,
    merge: bool,
    trust: Path | None,
    elsewhere: tuple[Path, ...],
    key: Path | None,
    lanes: int,
    files: tuple[Path, ...],
) -> None:
    """Decide whether a build may be released: 0 if it may, 1 if something blocks it.

    Runs what the policy requires and this machine can show. RESULTS are files that `--json` wrote, or the
    results.json of another gate; they need --merge. They are judged again from what their arms showed.
    """
    _refuse_mixed(merge, trust, key, files)
    policy, known = policies.load(policy_file), catalogue.read(elsewhere)
    if merge:
        results = _merged(policy, known, sglang, trust, files)
        _prepare(folder, _DECISION)
    else:
        _prepare(folder, (*_DECISION, RESULTS))
        results = _run(policy, known, platforms, sglang or "installed", lanes, folder, key)
    decision = decide(policy, results, known.subjects, date.today(), platforms)
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


def _refuse_mixed(merge: bool, trust: Path | None, key: Path | None, files: Sequence[Path]) -> None:
    if files and not merge:
        raise BadInput(f"{files[0]}: results are only read with --merge: add it")
    if trust and not merge:
        raise BadInput(f"--trust {trust}: signers are only asked for with --merge: add it, or leave this out")
    if key and merge:
        raise BadInput(f"--sign {key}: a merge leaves no results to sign: sign them where they are made")
    if key:
        signatures.check_key(key)


def _merged(
    policy: Policy, known: Catalogue, sglang: str | None, trust: Path | None, files: Sequence[Path]
) -> Results:
    """What the files show, judged again."""
    found, refused = _given(files, trust)
    tree, now = _tree(found, sglang), datetime.now(UTC)
    measure = Measure(known=known.subjects, setting=Bench.here(known.homes).on(tree))

    def scrutiny(document: Document, result: Result) -> str | None:
        whole = unfit(document, now, policy.max_age_days)
        return whole or measure.problem(result, document.machine)

    return gather(found, Build.of(tree), scrutiny, refused)


def _given(files: Sequence[Path], trust: Path | None) -> tuple[list[Document], list[tuple[str, str]]]:
    """The documents, oldest first, and which files do not count. What nobody vouches for is not read."""
    if trust is None:
        return documents.load_all(files), []
    signers, found, refused = signatures.trusted(trust), list[Document](), list[tuple[str, str]]()
    for path in files:
        data = foreign.read(path)
        if why := signatures.distrust(data, path, signers):
            refused.append((foreign.shown(path), why))
        else:
            found.append(documents.read(data, path))
    return documents.oldest_first(found), refused


def _tree(found: Sequence[Document], sglang: str | None) -> Tree:
    """The build in question: the one that was named, or else the one whose content the results name."""
    if sglang is not None or not found:
        return resolve(sglang or "installed", default_workspace().releases)
    told, cache = found[0].sglang, default_workspace().releases
    unknown = f"{found[0].source} is of a tree {told['tree'][:12]}, which is neither installed here nor"
    try:
        for spec in filter(None, ("installed", releases.parse(told["version"] or ""))):
            tree = resolve(spec, cache)
            if tree.content_hash == told["tree"]:
                return tree
    except BadInput as error:  # nothing is installed, or there is no such release
        raise BadInput(f"{unknown} to be had ({error}): give that build with --sglang") from error
    raise BadInput(f"{unknown} the release that it claims: give that build with --sglang")


def _run(
    policy: Policy,
    known: Catalogue,
    platforms: Sequence[Platform],
    sglang: str,
    lanes: int,
    folder: Path,
    key: Path | None,
) -> Results:
    setting = running.setting(sglang, lanes, known)
    asked = requests(policy, known.subjects, platforms, setting)
    judged, stopped = running.judge(asked, setting) if asked else ([], None)
    results = running.ordered(judged)
    partial = interruption.partial(stopped, len(asked))
    document = json_report.document(results, setting.machine.to_json(), running.facts(setting.tree), partial)
    with interruption.held():
        json_report.write(folder / RESULTS, document, key)
        report_command.finished(document, None, known)
    if stopped:
        text = f"ended by {interruption.name(stopped)}: no decision; {folder / RESULTS} has what was judged"
        terminal.tell(f"refault: {text}", stderr=True)
        interruption.end(stopped)
    # They were judged a moment ago, by this checkout and on this very build.
    own, build = documents.parse(document, name=RESULTS), Build.of(setting.tree)
    return gather([own], build, lambda document, result: None)


def requests(
    policy: Policy, known: Sequence[Subject], platforms: Sequence[Platform], setting: Setting
) -> list[Request]:
    """What the policy asks and this machine can show, as often as the policy asks."""
    found: list[Request] = []
    release = known_releases.release(setting.tree)
    for wish in wanted(policy, known):
        asked = (not platforms or wish.platform in platforms) and not wish.spares(release)
        for request in selection.select([wish.subject.id], [wish.tier], [wish.subject]) if asked else ():
            if request.platform_on(setting.machine) == wish.platform:  # as `Row.asked` says of its result
                found += [request] * wish.requirement.bounds.repeats
    return found


def _write(decision: Decision, folder: Path) -> None:
    json_report.write(folder / "decision.json", decision.to_json())
    for name, text in (("decision.md", report.markdown(decision)), ("decision.html", report.page(decision))):
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            problem = f"{folder / name}: cannot be written ({error.strerror})"
            raise BadInput(f"{problem}: name a folder that can be with --report") from error

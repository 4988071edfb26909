"""What the commands share that run cases and tell of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from harness.catalogue import Catalogue
from harness.commands import interruption
from harness.commands import report as report_command
from harness.errors import BadInput
from harness.facts import Tier
from harness.foreign import shown
from harness.golden import GoldenStore
from harness.process.pool import Pool
from harness.report import json as json_report
from harness.report import terminal
from harness.report.progress import Progress
from harness.source.branch import branch
from harness.source.tree import Tree
from harness.suite import Bench, Judged, Request, Setting, Suite
from harness.suite.environments import Environments
from harness.suite.repeat import repeated, summed
from harness.suite.runner import warm
from harness.verdict import Result, Verdict, exit_code

_TOLD = 3
"""Broken files that are named before a run; the JSON has them all."""


def setting(sglang: str, lanes: int, known: Catalogue) -> Setting:
    """This machine and its cache, with the tree that `--sglang` named; what of that is broken is told."""
    found = Bench.here(known.homes, lanes).given(sglang)
    _tell_broken(found.tree)
    return found


def refuse_orphans(known: Catalogue) -> None:
    """BadInput where a golden is there that no reproducer owns."""
    owned = {(reproducer.id, tier) for reproducer in known.subjects for tier in reproducer.tiers}
    orphans = GoldenStore.of(known.homes).orphans(owned)
    if orphans:
        raise BadInput(f"{orphans[0]}: no reproducer owns this golden: delete it, or restore its reproducer")


def _tell_broken(tree: Tree) -> None:
    """What of a tree nobody can read: the cases that need it say so too, the others go on."""
    for path, why in list(tree.broken.items())[:_TOLD]:
        terminal.tell(f"refault: {tree.package}/{shown(path)} {why}: what needs it cannot run", stderr=True)
    if (more := len(tree.broken) - _TOLD) > 0:
        terminal.tell(f"refault: and {more} more files of the tree are like that", stderr=True)


def _tell_without_goldens(setting: Setting, judged: Sequence[Judged]) -> None:
    """Why results are UNRECORDED: their homes have no folder of goldens, and where that would be."""
    unrecorded = {one.result.reproducer for one in judged if one.result.verdict is Verdict.UNRECORDED}
    for home in (home for home in setting.homes if unrecorded & set(home.modules)):
        if home.goldens.is_dir():
            continue
        text = f"{home.package} has no goldens yet, in {shown(home.goldens)}: `refault record` makes them"
        terminal.tell(f"refault: {text}", stderr=True)


def ahead(asked: Sequence[Request], setting: Setting, pool: Pool) -> None:
    """Have a pool begin to import what arms share, while it is still found out what is to be run of this.

    For what takes a second: a server is not among that, and may not be run at all.
    """
    soon = [request for request in asked if request.tier is not Tier.SERVER]
    warm(pool, soon, Environments(setting, setting.tree.package), setting.machine)


def judge(
    wanted: Sequence[Request], setting: Setting, repeat: int = 1, *, arms: bool = False,
    pool: Pool | None = None, told: Callable[[Result], None] = lambda result: None,
) -> tuple[list[Judged], KeyboardInterrupt | None]:  # fmt: skip
    """Run the cases; also gives the signal that ended the run before all of them were judged, if one did.

    With `arms`, the progress on standard error tells of each arm. A `pool` that is there already is used.
    `told` is told of each result as it comes.
    """
    found: list[Judged] = []
    progress = Progress(len(wanted), arms=arms)
    try:
        suite = Suite(setting, started=progress.started, ended=progress.ended, pool=pool)
        with suite, progress.running():
            once = suite.run(wanted)
            for judged in once if repeat == 1 else _repeated(wanted, suite, repeat):
                found.append(judged)
                progress.finished(judged.result)
                with progress.aside():
                    told(judged.result)
    except KeyboardInterrupt as stopped:
        return found, stopped
    _tell_without_goldens(setting, found)
    return found, None


def _repeated(wanted: Sequence[Request], suite: Suite, most: int) -> Iterator[Judged]:
    """One result for each case; what a signal ended is summed over the runs that there were."""
    for request in wanted:
        runs: list[Judged] = []
        try:
            for run in repeated(request, suite, most):
                runs.append(run)
        except KeyboardInterrupt:
            if runs:
                yield summed(runs)
            raise
        yield summed(runs)


def tell(
    judged: Sequence[Judged],
    expected: int,
    setting: Setting,
    known: Catalogue,
    target: json_report.Target | None,
    page: Path | None,
    *,
    detail: bool,
    stopped: KeyboardInterrupt | None = None,
    key: Path | None = None,
) -> None:
    """Print the table and the evidence, then keep the results."""
    results = ordered(judged)
    with kept(results, setting, known, target, page, interruption.partial(stopped, expected), key):
        terminal.show(results, terminal.console(stderr=target == "-"), detail=detail, expected=expected)


@contextmanager
def kept(
    results: Sequence[Result],
    setting: Setting,
    known: Catalogue,
    target: json_report.Target | None,
    page: Path | None,
    partial: Mapping[str, Any] | None = None,
    key: Path | None = None,
) -> Iterator[None]:
    """Write the JSON and the page that were asked for, and the history, once the block has told of it all.

    With an ssh `key` the JSON is signed.

    Each is written even where the one before it could not be, or where nobody reads the telling any more.
    """
    document = json_report.document(results, setting.machine.to_json(), facts(setting.tree), partial)
    try:
        yield
    finally:
        with interruption.held(), ExitStack() as last:
            if results:
                last.callback(report_command.finished, document, page, known)
            if target is not None:
                last.callback(json_report.write, target, document, key)


def ended(results: Sequence[Result], stopped: KeyboardInterrupt | None) -> int:
    """The exit code."""
    return interruption.code(stopped) if stopped else exit_code(results)


def ordered(judged: Sequence[Judged]) -> list[Result]:
    """The results as a report has them, not as they happened to end."""
    return sorted((one.result for one in judged), key=lambda result: result.key)


def facts(tree: Tree) -> dict[str, Any]:
    """What a document says of the tree under test."""
    told: dict[str, Any] = {
        "version": tree.version,
        "origin": tree.origin,
        "tree": tree.content_hash,
        "root": str(tree.root),
    }
    if named := branch(tree):
        told["branch"] = named
    if tree.broken:
        told["broken"] = {shown(path): why for path, why in tree.broken.items()}
    return told

"""`refault history`: verdicts, rates and durations over time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from harness import catalogue, history
from harness.commands import options
from harness.commands.options import json_option, reproducers_option
from harness.documents import load_all
from harness.errors import BadInput
from harness.facts import Platform, Subject
from harness.history import Series
from harness.machine.workspace import default as default_workspace
from harness.report import history as report
from harness.report import json as json_report
from harness.report import terminal


@click.command("history")
@click.argument("words", nargs=-1, metavar="[BUG|FILE]…")
@click.option(
    "--import", "importing", is_flag=True, help="Take the runs in FILEs, which --json wrote, into the store."
)
@click.option(
    "--store",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The store; that of the cache if none is named.",
)
@options.platforms_option(help="Only this platform; repeatable.")
@reproducers_option
@json_option
def command(
    words: tuple[str, ...],
    importing: bool,
    store: Path | None,
    platforms: tuple[Platform, ...],
    elsewhere: tuple[Path, ...],
    target: json_report.Target | None,
) -> None:
    """Show the verdicts, rates and durations of the runs kept, and name what changed.

    With --import, the store is filled from result files; a run that is there already is left out.
    """
    path = store or default_workspace().history
    if importing:
        _import(path, [Path(word) for word in words])
        words = ()
    elif not os.path.lexists(path):
        raise BadInput(f"{path}: there is no history yet: make it with `refault history --import FILES`")
    known = catalogue.read(elsewhere).subjects if words else ()
    with history.opened(path) as kept:
        series = _chosen(kept.series(), known, words, platforms)
    report.show(series, terminal.console(stderr=target == "-"))
    if target is not None:
        json_report.write(target, report.document(series))


def _import(path: Path, files: Sequence[Path]) -> None:
    documents = load_all(files)
    with history.opened(path) as store:
        taken = sum(store.append(document) for document in documents)
    known = len(documents) - taken
    terminal.tell(f"{path}: {taken} runs taken, {known} known already", stderr=True)


def _chosen(
    series: Sequence[Series], known: Sequence[Subject], bugs: Sequence[str], platforms: Sequence[Platform]
) -> list[Series]:
    ids = {catalogue.find(bug, known).id for bug in bugs}
    return [
        one
        for one in series
        if (not ids or one.reproducer in ids) and (not platforms or one.platform in platforms)
    ]

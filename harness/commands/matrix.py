"""`refault matrix`: every reproducer on every release."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import date
from pathlib import Path

import click

from harness import catalogue, matrix
from harness.commands import interruption
from harness.commands.options import json_option, lanes_option, place, release, reproducers_option
from harness.errors import BadInput
from harness.facts import Reproducer
from harness.matrix import Cell, last_measured
from harness.report import json as json_report
from harness.report import matrix as report
from harness.report import matrix_page, terminal
from harness.report.steps import Steps
from harness.source import releases
from harness.source.releases import Releases
from harness.suite import Bench

_ALL = "all"


@click.command("matrix")
@click.argument("bugs", nargs=-1)
@click.option(
    "--releases",
    "wanted",
    default="all",
    show_default=True,
    metavar="A,B,…",
    help="Release numbers, or all that there are.",
)
@reproducers_option
@json_option
@click.option(
    "--markdown",
    "page",
    type=click.Path(path_type=Path),
    callback=place,
    metavar="FILE",
    help="Also write it as a page of Markdown, once every release is done.",
)
@lanes_option
def command(
    bugs: tuple[str, ...],
    wanted: str,
    elsewhere: tuple[Path, ...],
    target: json_report.Target | None,
    page: Path | None,
    lanes: int,
) -> None:
    """Run reproducers (all of them without BUGS, or with `all`) on releases as they were published.

    Where a release has the fix, the reverted arm runs too. Ends with 1 where what was measured disagrees
    with what the reproducers declare.
    """
    known = catalogue.read(elsewhere)
    chosen = _chosen(bugs, known.reproducers)
    bench = Bench.here(known.homes, lanes)
    names = _releases(wanted, bench.releases)
    cells, stopped = _measured(chosen, names, bench)
    with interruption.held():
        problems = _report(cells, chosen, bench, target, stopped, len(chosen) * len(names))
        if page and not stopped:
            page.write_text(matrix_page.page(cells, problems), encoding="utf-8")
    interruption.end(stopped, matrix.exit_code(cells, problems))


def _chosen(bugs: Sequence[str], known: Sequence[Reproducer]) -> list[Reproducer]:
    """The reproducers that are named, each once."""
    if bugs in ((), (_ALL,)):
        return list(known)
    if _ALL in bugs:
        raise BadInput(f"{' '.join(bugs)}: all is every bug already: leave the others out, or all")
    return list({one.id: one for one in (catalogue.find(bug, known) for bug in bugs)}.values())


def _releases(wanted: str, known: Releases) -> list[str]:
    if wanted.strip() == _ALL:
        found = known.published(matrix.OLDEST)
        if not found:
            raise BadInput("no package index answers and no release is cached: connect, or name releases")
        return list(found)
    remedy = "write release numbers between commas, such as 0.5.12.post1,0.5.13"
    named = {release("--releases", word, remedy) for word in wanted.split(",")}
    return sorted(named, key=releases.order)


def _measured(
    chosen: Sequence[Reproducer], names: Sequence[str], bench: Bench
) -> tuple[list[Cell], KeyboardInterrupt | None]:
    """Run it; also gives the signal that ended it before every release was done, if one did."""
    cells: list[Cell] = []
    steps = Steps(len(chosen) * len(names), "cells")
    try:
        with closing(matrix.run(chosen, names, bench)) as running, steps.running():
            for cell in running:
                cells.append(cell)
                steps.done(f"{cell.short_id} {cell.release}: {cell.status}")
    except KeyboardInterrupt as stopped:
        return matrix.settled(cells), stopped
    return matrix.settled(cells), None


def _report(
    cells: Sequence[Cell],
    chosen: Sequence[Reproducer],
    bench: Bench,
    target: json_report.Target | None,
    stopped: KeyboardInterrupt | None,
    wanted: int,
) -> list[str]:
    last_measured.keep(bench.workspace.matrix, cells, chosen, date.today())
    compared = matrix.likenesses(cells)
    problems = matrix.disagreements(cells, compared)
    report.show(cells, compared, problems, terminal.console(stderr=target == "-"))
    if target is not None:
        told = report.document(cells, compared, problems, bench.machine.to_json())
        json_report.write(target, interruption.marked(told, stopped, wanted))
    return problems

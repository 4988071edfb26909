"""`refault matrix`: every reproducer on every release."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import date
from typing import Any

import click

from harness import catalogue, matrix
from harness.commands import interruption
from harness.commands.options import json_option, lanes_option
from harness.errors import BadInput
from harness.facts import Reproducer
from harness.golden import GoldenStore
from harness.machine import this_machine
from harness.machine.workspace import default as default_workspace
from harness.matrix import Bench, Cell, last_measured
from harness.report import json as json_report
from harness.report import matrix as report
from harness.report import terminal
from harness.report.steps import Steps
from harness.source import releases
from harness.source.releases import Releases


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
@json_option
@lanes_option
def command(bugs: tuple[str, ...], wanted: str, target: json_report.Target | None, lanes: int) -> None:
    """Run reproducers (all of them without BUGS) on releases as they were published.

    Where a release has the fix, the arm with the fix undone runs too. Ends with 1 where that disagrees
    with what the reproducers declare.
    """
    known = catalogue.load_all()
    chosen = list({one.id: one for one in (catalogue.find(bug, known) for bug in bugs)}.values()) or list(
        known
    )
    bench = _bench(lanes)
    names = _releases(wanted, bench.releases)
    cells, stopped = _measured(chosen, names, bench)
    with interruption.held():
        problems = _report(cells, bench, target, interruption.partial(stopped, len(chosen) * len(names)))
    sys.exit(interruption.code(stopped) if stopped else matrix.exit_code(cells, problems))


def _bench(lanes: int) -> Bench:
    workspace = default_workspace()
    goldens = GoldenStore(catalogue.golden_folder())
    return Bench(
        releases=Releases(workspace.releases),
        machine=this_machine(),
        goldens=goldens,
        workspace=workspace,
        lanes=lanes,
    )


def _releases(wanted: str, known: Releases) -> list[str]:
    if wanted.strip() == "all":
        found = known.published(matrix.OLDEST)
        if not found:
            raise BadInput("no package index answers and no release is cached: connect, or name releases")
        return list(found)
    return sorted({_release(word) for word in wanted.split(",")}, key=releases.order)


def _release(word: str) -> str:
    release = releases.parse(word)
    if release is None:
        raise BadInput(
            f"--releases {word!r}: write release numbers between commas, such as 0.5.12.post1,0.5.13"
        )
    return release


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
                steps.done(f"{cell.reproducer.short_id} {cell.release}: {cell.status}")
    except KeyboardInterrupt as stopped:
        return matrix.settled(cells), stopped
    return matrix.settled(cells), None


def _report(
    cells: Sequence[Cell], bench: Bench, target: json_report.Target | None, partial: Mapping[str, Any] | None
) -> list[str]:
    last_measured.keep(bench.workspace.matrix, cells, date.today())
    compared = matrix.likenesses(cells)
    problems = matrix.disagreements(cells, compared)
    report.show(cells, compared, problems, terminal.console(stderr=target == "-"))
    if target is not None:
        told = report.document(cells, compared, problems, bench.machine.to_json())
        json_report.write(target, {**told, **({"partial": partial} if partial else {})})
    return problems

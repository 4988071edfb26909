"""`refault bisect`: in which release, or by which commit, a bug came or went."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from harness import catalogue
from harness.bisect.commits import Commits
from harness.bisect.probe import Prober
from harness.bisect.search import Answer, Boundary, Step, most, search
from harness.commands import interruption
from harness.commands.options import json_option, lanes_option, release, reproducers_option
from harness.errors import BadInput, RefaultError
from harness.facts import Reproducer
from harness.process.pool import Pool
from harness.report import bisect as report
from harness.report import json as json_report
from harness.report import terminal
from harness.source import releases
from harness.source.releases import Releases
from harness.source.tree import Tree
from harness.suite import Bench


@dataclass(frozen=True, kw_only=True)
class Line:
    """Candidates in order, of which the first is said to be `first`; how to get and how to call one."""

    kind: str
    names: list[str]
    first: Answer
    tree: Callable[[str], Tree]
    title: Callable[[str], str]


@click.command("bisect")
@click.argument("bug")
@click.option("--good", required=True, metavar="A", help="A release (or commit) without the bug.")
@click.option("--bad", required=True, metavar="B", help="A release (or commit) with the bug.")
@click.option(
    "--checkout",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Walk the commits of this clone of upstream's repository, not the releases.",
)
@click.option(
    "--repeat",
    "repeats",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Runs of each candidate, for a bug that does not show every time.",
)
@reproducers_option
@json_option
@lanes_option
def command(
    bug: str,
    good: str,
    bad: str,
    checkout: Path | None,
    repeats: int,
    elsewhere: tuple[Path, ...],
    target: json_report.Target | None,
    lanes: int,
) -> None:
    """Find the release (or commit) in which BUG came in or was fixed, between a good and a bad one.

    A candidate is judged by the fault that the reproducer expects. One that cannot be run, or faults in
    another way, is skipped. Ends with 3 where skipped candidates leave the place open.
    """
    known = catalogue.read(elsewhere)
    reproducer = catalogue.find(bug, known.reproducers)
    bench = Bench.here(known.homes, lanes)
    commits = Commits(checkout, bench.workspace.commits) if checkout else None
    line = _commits(commits, good, bad) if commits else _releases(bench.releases, good, bad)
    console = terminal.console(stderr=target == "-")

    def say(text: str) -> None:
        terminal.say(console, [text])

    say(f"{len(line.names)} {line.kind} from {line.title(line.names[0])} to {line.title(line.names[-1])}, "
        f"at most {most(len(line.names))} steps")  # fmt: skip
    steps: list[Step] = []
    machine = bench.machine.to_json()
    try:
        found = _found(reproducer, line, bench, repeats, say, steps)
    except (KeyboardInterrupt, RefaultError) as stopped:
        with interruption.held():
            say(f"ended after {len(steps)} steps: the place is open")
            if target is not None:
                titles = {step.name: line.title(step.name) for step in steps}
                told = report.begun(reproducer, steps, line.kind, titles, machine)
                json_report.write(target, interruption.marked(told, stopped, most(len(line.names))))
        raise
    titles = {step.name: line.title(step.name) for step in found.steps}
    for text in report.lines(reproducer, found, titles):
        say(text)
    if target is not None:
        json_report.write(target, report.document(reproducer, found, line.kind, titles, machine))
    sys.exit(3 if found.between else 0)


def _found(
    reproducer: Reproducer,
    line: Line,
    bench: Bench,
    repeats: int,
    say: Callable[[str], None],
    steps: list[Step],
) -> Boundary:
    """The boundary; each probe is added to `steps` as soon as it is made."""
    with Pool(bench.lanes, lender=bench.lender) as pool:
        prober = Prober(reproducer=reproducer, tree=line.tree, bench=bench, pool=pool, repeats=repeats)

        def probe(name: str) -> Step:
            step = prober(name)
            steps.append(step)
            say(report.told(step, line.title(name)))
            return step

        return search(line.names, line.first, probe)


def _releases(known: Releases, good: str, bad: str) -> Line:
    """The releases between two, candidates left out. BadInput if one is none, or if they are the same."""
    remedy = "is no release: write one such as 0.5.13, or add --checkout DIR"
    ends = [release("--good", good, remedy), release("--bad", bad, remedy)]
    ends.sort(key=releases.order)
    if ends[0] == ends[1]:
        raise BadInput(f"--good and --bad are both {ends[0]}: give two")
    inside = [one for one in known.published(ends[0]) if releases.order(one) < releases.order(ends[1])]
    return Line(
        kind="releases",
        names=sorted({*ends, *inside}, key=releases.order),
        first=Answer.GOOD if ends[0] == releases.parse(good) else Answer.BAD,
        tree=known.tree,
        title=str,
    )


def _commits(known: Commits, good: str, bad: str) -> Line:
    older = known.is_ancestor(good, bad)
    return Line(
        kind="commits",
        names=known.line(good, bad) if older else known.line(bad, good),
        first=Answer.GOOD if older else Answer.BAD,
        tree=known.tree,
        title=known.title,
    )

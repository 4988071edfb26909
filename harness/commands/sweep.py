"""`refault sweep`: one reproducer over its parameter space."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from harness import __version__, catalogue
from harness.commands import interruption
from harness.commands.options import json_option, lanes_option, reproducers_option, sglang_option
from harness.errors import BadInput, RefaultError
from harness.facts import Case, Platform, Reproducer, Tier, runs_on
from harness.report import json as json_report
from harness.report import scan as scan_report
from harness.report import sweep as report
from harness.report import terminal
from harness.report.steps import Steps
from harness.suite import Bench, Setting, Suite, selection
from harness.sweep import scan, space
from harness.sweep.outcomes import Book, Outcome
from harness.sweep.scan import Found
from harness.sweep.survey import Survey, so_far, survey
from harness.sweep.walk import Walker

_LINES = 10
"""Of progress, where standard error is no terminal: a log needs none for each point."""


@click.command("sweep")
@click.argument("bug")
@click.option(
    "--tier",
    type=click.Choice([one.value for one in selection.WITHOUT_SERVERS]),
    callback=lambda context, param, word: word and Tier(word),
    help="The case to sweep; its kernel case by default.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Which sample of a large space is taken."
)
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="Points at most.")
@click.option("--resume", is_flag=True, help="Continue a sweep with the same arguments that was interrupted.")
@click.option(
    "--others",
    metavar="TEXT",
    help="Instead of the sweep, look for the store of a codegen case in the other kernels of the modules "
    "whose name contains TEXT (all: in every module, which takes minutes).",
)
@sglang_option
@reproducers_option
@json_option
@lanes_option
def command(
    bug: str,
    tier: Tier | None,
    seed: int,
    limit: int,
    resume: bool,
    others: str | None,
    sglang: str,
    elsewhere: tuple[Path, ...],
    target: json_report.Target | None,
    lanes: int,
) -> None:
    """Walk a reproducer's parameter space: where its bug bites, where it cannot, and what else is found.

    Ends with 1 where the reproducer's arithmetic is wrong about a point. What the fixed arm shows is a
    finding, not a failure.
    """
    known = catalogue.read(elsewhere)
    reproducer = catalogue.find(bug, known.reproducers)
    if others is not None:
        only = "" if others == "all" else others
        _others(reproducer, only, Bench.here(known.homes, lanes).given(sglang), target)
        return
    tier, named = _case_of(reproducer, tier)
    setting = Bench.here(known.homes, lanes).given(sglang)
    if missing := setting.machine.missing(reproducer.requires):
        raise BadInput(f"{reproducer.short_id} cannot run here: this machine lacks {', '.join(missing)}")
    case = reproducer.case(tier, named)
    platform = runs_on(tier, named, setting.machine.platform)
    facts = dict(tier=tier, platform=str(platform), seed=seed, limit=limit)
    seen: list[Outcome] = []
    points = space.points(case, seed, limit)
    try:
        with Suite(setting) as suite:
            walker = Walker(suite, reproducer, tier, named)
            book = _book(setting, reproducer, tier, platform, seed)
            outcomes = _walk(walker, points, book, resume, seen)
            found = _survey(case, reproducer, tier, outcomes, walker)
    except (KeyboardInterrupt, RefaultError) as stopped:
        with interruption.held():
            _ended(stopped, reproducer, tier, seen, len(points), facts, setting, target)
        raise
    chosen = _chosen(case, seed, limit)
    console = terminal.console(stderr=target == "-")
    report.show(reproducer, case, found, chosen, console)
    if reproducer.codegen:
        look = f"refault sweep {reproducer.short_id} --others all"
        terminal.say(console, [f"other kernels were not looked at for its store: {look} does, in minutes"])
    if target is not None:
        json_report.write(target, report.document(reproducer, found, facts, _head(setting)))
    sys.exit(1 if found.mismatches else 0)


def _ended(
    stopped: KeyboardInterrupt | RefaultError,
    reproducer: Reproducer,
    tier: Tier,
    seen: Sequence[Outcome],
    wanted: int,
    facts: dict[str, Any],
    setting: Setting,
    target: json_report.Target | None,
) -> None:
    """Tell of what was seen until the sweep was ended; nothing is shrunk any more."""
    text = f"ended after {len(seen)} of {wanted} points: go on with --resume"
    terminal.say(terminal.console(stderr=True), [text])
    if target is not None:
        found = so_far(reproducer.expect.at(tier).reverted, seen)
        document = report.document(reproducer, found, facts, _head(setting))
        json_report.write(target, interruption.marked(document, stopped, wanted))


def _others(reproducer: Reproducer, only: str, setting: Setting, target: json_report.Target | None) -> None:
    """Scan the tree's other kernels for the form of store that the codegen case is about."""
    if not reproducer.codegen:
        raise BadInput(
            f"--others: {reproducer.short_id} has no codegen case, whose store could be looked for"
        )
    modules, platform = scan.modules(setting.tree, only), reproducer.codegen.platforms[0]
    found = scan.nothing(platform, modules)
    steps = Steps(found.wanted, "modules", lines=_LINES)
    try:
        with Suite(setting) as suite, steps.running():
            for step in scan.walk(suite, setting.tree, platform, modules):
                found = step.found
                steps.done(step.ended, step.modules)
                if isinstance(target, Path) and (target.is_file() or not target.exists()):
                    _scanned(reproducer, found, setting, target)
    except (KeyboardInterrupt, RefaultError) as stopped:
        with interruption.held():
            scan_report.show(reproducer, found, terminal.console(stderr=True))
            _scanned(reproducer, found, setting, target, stopped)
        raise
    scan_report.show(reproducer, found, terminal.console(stderr=target == "-"))
    _scanned(reproducer, found, setting, target)


def _scanned(
    reproducer: Reproducer,
    found: Found,
    setting: Setting,
    target: json_report.Target | None,
    stopped: KeyboardInterrupt | RefaultError | None = None,
) -> None:
    """Write the table as it is by now, where it was asked for."""
    if target is not None:
        told = scan_report.document(reproducer, found, _head(setting))
        with interruption.held():
            json_report.write(target, interruption.marked(told, stopped, found.wanted))


def _case_of(reproducer: Reproducer, tier: Tier | None) -> tuple[Tier, Platform | None]:
    """The tier to sweep and its first platform. BadInput if the reproducer has no such case."""
    if tier is None:
        tier = Tier.CODEGEN if reproducer.codegen and not reproducer.kernel else Tier.KERNEL
    if tier not in reproducer.tiers:
        raise BadInput(
            f"{reproducer.short_id} has no case in tier {tier}: it has {', '.join(reproducer.tiers)}"
        )
    return tier, reproducer.platforms(tier)[0]


def _book(setting: Setting, reproducer: Reproducer, tier: Tier, platform: Platform, seed: int) -> Book:
    """The sweep's file: good for this tree, this reproducer as it is written, and this seed alone."""
    about = {
        "refault": __version__,
        "tree": setting.tree.content_hash,
        "reproducer": reproducer.id,
        "source": catalogue.source_digest(reproducer),
        "tier": tier,
        "platform": str(platform),
        "seed": seed,
    }
    name = f"{reproducer.id}.{tier}.{platform}.{seed}.jsonl"
    return Book(setting.workspace.sweeps / name, about)


def _walk(
    walker: Walker, points: Sequence[dict[str, Any]], book: Book, resume: bool, seen: list[Outcome]
) -> list[Outcome]:
    """Visit the points, or with `resume` those that the book has not; each is kept at once, and in `seen`."""
    known = book.outcomes() if resume else {}
    if not known:
        book.begin()
    steps = Steps(len(points), "points", lines=_LINES)
    # As the case has them: a list comes back from the book where there was a tuple.
    found = {space.key(point): known[space.key(point)] for point in points if space.key(point) in known}
    seen += [Outcome(point, found[space.key(point)].arms) for point in points if space.key(point) in found]
    if found:
        steps.done("known already", len(found))
    with steps.running():
        for outcome in walker.walk([point for point in points if space.key(point) not in found]):
            seen.append(outcome)
            book.add(outcome)
            found[space.key(outcome.params)] = outcome
            steps.done("both arms")
    return [Outcome(point, found[space.key(point)].arms) for point in points]


def _survey(
    case: Case, reproducer: Reproducer, tier: Tier, outcomes: Sequence[Outcome], walker: Walker
) -> Survey:
    console = terminal.console(stderr=True)

    def told(what: str) -> None:
        terminal.say(console, [f"shrinking: {what}"])

    return survey(case, reproducer.expect.at(tier).reverted, outcomes, walker, told)


def _chosen(case: Case, seed: int, limit: int) -> str:
    total = space.size(space.axes(case))
    return (
        f"all of them, of {total} combinations"
        if total <= limit
        else f"a sample of {total} combinations, seed {seed}"
    )


def _head(setting: Setting) -> dict[str, Any]:
    tree = setting.tree
    told = {"version": tree.version, "origin": tree.origin, "tree": tree.content_hash, "root": str(tree.root)}
    return {"sglang": told, "machine": setting.machine.to_json()}

"""Runs reproducers on releases: as they were published, and with the fix undone where they have it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace

from harness.errors import RefaultError, StaleRevert, Unresolved
from harness.facts import Released, Reproducer
from harness.matrix.cells import Applies, Cell, Status, predates
from harness.process.pool import Pool
from harness.source import revert
from harness.source.symbols import unreadable
from harness.source.tree import Tree
from harness.suite import Bench, Judged, Request, Suite, attested, lacks_fix
from harness.verdict import ArmName, Verdict

OLDEST = "0.5.9"
"""The first release whose modules load beside today's torch and transformers."""


def run(
    reproducers: Sequence[Reproducer],
    releases: Sequence[str],
    bench: Bench,
    started: Callable[[str], None] = lambda release: None,
) -> Generator[Cell, None, None]:
    """Every cell, release by release as they are done.

    All releases share one pool, so that what arms import beside upstream is imported once. A release that
    cannot be had, or run, has UNRESOLVED cells; raises what is wrong with the first where no other is left.
    """
    with Pool(bench.lanes, lender=bench.lender) as pool, ThreadPoolExecutor(bench.lanes + 1) as threads:

        def column(release: str) -> list[Cell]:
            tree = bench.releases.tree(release)
            started(release)
            return _column(tree, reproducers, bench, pool)

        futures = [threads.submit(column, release) for release in releases]
        try:
            yield from _settled(dict(zip(futures, releases, strict=True)), reproducers)
        finally:
            _give_up(futures, pool)


def _settled(columns: Mapping[Future[list[Cell]], str], reproducers: Sequence[Reproducer]) -> Iterator[Cell]:
    failed: dict[str, RefaultError] = {}
    for column in as_completed(columns):
        try:
            yield from column.result()
        except RefaultError as error:  # this release's trouble; the others go on
            failed[columns[column]] = error
    if len(failed) == len(columns):
        raise next(iter(failed.values()))
    for release, trouble in failed.items():
        for one in reproducers:
            yield Cell(
                reproducer=one.id, bug=one.bug, release=release, status=Status.UNRESOLVED,
                reason=str(trouble),
            )  # fmt: skip


def published(tree: Tree, reproducer: Reproducer, bench: Bench, pool: Pool, repeats: int = 1) -> list[Cell]:
    """One reproducer on one tree as it is, so many times: a cell for each."""
    cell = _unmeasured(tree, reproducer)
    if cell.reason:
        return [cell]
    with Suite(bench.on(tree), pool=pool) as suite:
        found = _judged(suite, [cell] * repeats, [reproducer], "fixed")
        return [_published(cell, judged) for cell, judged in found]


def _give_up(futures: Sequence[Future[list[Cell]]], pool: Pool) -> None:
    """Whoever stops listening ends the run: nothing new is begun, and what runs is killed."""
    for future in futures:
        future.cancel()
    pool.close()


def _column(tree: Tree, reproducers: Sequence[Reproducer], bench: Bench, pool: Pool) -> list[Cell]:
    """Every reproducer on one release, and, where that is clean, with the fix undone."""
    with Suite(bench.on(tree), pool=pool) as suite:
        return _measured(suite, tree, [_unmeasured(tree, one) for one in reproducers], reproducers)


def _measured(suite: Suite, tree: Tree, cells: Sequence[Cell], known: Sequence[Reproducer]) -> list[Cell]:
    present = [cell for cell in cells if not cell.reason]
    seen = [_published(cell, judged) for cell, judged in _judged(suite, present, known, "fixed")]
    measured = [_held_to_revert(cell, tree, known) for cell in seen]
    plain = {one.id for one in known if isinstance(one.revert, Released)}  # in which nothing can be undone
    fixed = [cell for cell in measured if _has_fix(cell) and cell.reproducer not in plain]
    done = {cell.reproducer for cell in fixed}
    return [
        *(cell for cell in cells if cell.reason),
        *(cell for cell in measured if cell.reproducer not in done),
        *(_with_revert(cell, judged) for cell, judged in _judged(suite, fixed, known, "reverted")),
    ]


def _held_to_revert(cell: Cell, tree: Tree, known: Sequence[Reproducer]) -> Cell:
    """An affected release has nothing that the revert matches, or an old tree would pass for a lost fix."""
    (bug,) = (one for one in known if one.id == cell.reproducer)
    if cell.status is not Status.AFFECTED or lacks_fix(tree, bug):
        return cell
    problem = "it shows the bug, and the revert finds the fix in it: match what the fix alone has"
    return replace(cell, problem=f"{cell.reproducer} {cell.release}: {problem}")


def _has_fix(cell: Cell) -> bool:
    """Whether a measured release is clean by the fix: before the bug there is none to undo."""
    return cell.status is Status.FIXED and not predates(cell)


def _name(tree: Tree) -> str:
    return tree.version or tree.root.name


def _judged(
    suite: Suite, cells: Sequence[Cell], known: Sequence[Reproducer], arm: ArmName
) -> Iterator[tuple[Cell, Judged]]:
    """The default point of each cell's reproducer, in one arm."""
    by_id, reproducers = {cell.reproducer: cell for cell in cells}, {one.id: one for one in known}
    requests = [_request(reproducers[cell.reproducer], arm) for cell in cells]
    for judged in suite.run(requests):
        yield by_id[judged.result.reproducer], judged


def _request(reproducer: Reproducer, arm: ArmName) -> Request:
    """The first case that needs no server: the one that shows the bug as it is written down."""
    tier = reproducer.tiers[0]
    return Request(
        reproducer=reproducer, tier=tier, platform=reproducer.platforms(tier)[0], overrides={}, asked=(arm,),
        in_place=True,
    )  # fmt: skip


def _unmeasured(tree: Tree, reproducer: Reproducer) -> Cell:
    """A cell before anything was run. `reason` says what the tree has not got; it is empty if it has all."""
    cell = Cell(
        reproducer=reproducer.id, bug=reproducer.bug, release=_name(tree), status=Status.NOT_APPLICABLE,
        retired_since=reproducer.retired_since,
    )  # fmt: skip
    try:
        functions = attested(tree, reproducer)
        revert.expected(tree, functions)
    except Unresolved as error:
        return replace(cell, reason=str(error), status=Status.UNRESOLVED)
    except StaleRevert as error:
        lost = any(unreadable(tree, name) for name in functions)
        return replace(cell, reason=str(error), status=Status.UNRESOLVED if lost else cell.status)
    return cell


def _published(cell: Cell, judged: Judged) -> Cell:
    """The cell of a release as it was published; FIXED stands for clean until it is settled."""
    result, observation = judged.result, judged.evidence.fixed.observation
    faults = observation.main.faults if observation else ()
    if result.verdict in (Verdict.UNRESOLVED, Verdict.UNSUPPORTED):
        return replace(cell, status=Status.UNRESOLVED, reason=result.reason)
    if not faults:
        return replace(cell, status=Status.FIXED, reason="clean as published")
    text = "; ".join(fault.signature for fault in faults)
    if any(fault.shows(judged.evidence.expected, kernels=False) for fault in faults):
        return replace(cell, status=Status.AFFECTED, reason=text, published=faults)
    return replace(cell, status=Status.UNRESOLVED, reason=f"it faults in another way: {text}")


def _with_revert(cell: Cell, judged: Judged) -> Cell:
    """The cell of a clean release, with what undoing the fix does to it."""
    result, observation = judged.result, judged.evidence.reverted.observation
    where = f"{cell.reproducer} {cell.release}"
    if result.verdict is Verdict.STALE:
        if cell.is_retired:
            return replace(cell, status=Status.NOT_APPLICABLE, reason=f"retired; {result.reason}")
        problem = f"{where}: the revert is stale: {result.reason}"
        return replace(
            cell, revert=Applies.STALE, reason=f"clean as published; {result.reason}", problem=problem
        )
    applied = replace(cell, revert=Applies.APPLIES, reverted=observation.main.faults if observation else ())
    if result.verdict is None:
        return replace(applied, reason=f"clean as published; {result.reason.partition('; without')[0]}")
    word = result.verdict.value
    return replace(
        applied,
        reason=f"clean as published; {word}: {result.reason}",
        problem=f"{where}: {word}: {result.reason}",
    )

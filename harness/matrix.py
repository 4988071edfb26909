"""Reproducers times releases: where each bug is, and whether undoing its fix brings it back."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.errors import StaleRevert
from harness.facts import Bug, ExpectedFault, Reproducer
from harness.golden import GoldenStore
from harness.machine import Machine
from harness.observation import Fault
from harness.process.pool import Pool
from harness.source import revert
from harness.source.releases import Releases, order
from harness.source.tree import Tree
from harness.suite import Judged, Request, Setting, Suite, attested
from harness.verdict import ArmName, Verdict
from harness.workspace import Workspace

OLDEST = "0.5.9"
"""The first release whose modules load beside today's torch and transformers."""


class Status(StrEnum):
    """What a published release shows at a reproducer's default point."""

    AFFECTED = "affected"
    FIXED = "fixed"
    NOT_YET_PRESENT = "not-yet-present"
    NOT_APPLICABLE = "not-applicable"
    UNRESOLVED = "unresolved"


class Applies(StrEnum):
    """Whether the reproducer's revert applies to a release that has the fix."""

    APPLIES = "applies"
    STALE = "stale"
    NOT_ASKED = "n/a"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One reproducer on one release. `published` and `reverted` are the watched faults of the two arms."""

    reproducer: Reproducer
    release: str
    status: Status
    revert: Applies = Applies.NOT_ASKED
    reason: str = ""
    published: tuple[Fault, ...] = ()
    reverted: tuple[Fault, ...] | None = None
    problem: str | None = None

    def to_json(self) -> dict[str, str]:
        words = {"status": self.status.value, "revert": self.revert.value, "reason": self.reason}
        return {"reproducer": self.reproducer.id, "release": self.release, **words}


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How a fixed release with the fix undone compares with the newest release that really was affected.

    `missing` and `added` are fault signatures; `only_named` says that just the names of functions,
    kernels or messages differ, as after a refactoring.
    """

    reproducer: str
    release: str
    affected: str
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    only_named: bool = False

    @property
    def same(self) -> bool:
        return not self.missing and not self.added


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What a matrix runs on."""

    releases: Releases
    machine: Machine
    goldens: GoldenStore
    workspace: Workspace
    lanes: int = 2


def run(
    reproducers: Sequence[Reproducer],
    releases: Sequence[str],
    bench: Bench,
    started: Callable[[str], None] = lambda release: None,
) -> Generator[Cell, None, None]:
    """Every cell, release by release as they are done. BadInput if a release cannot be had.

    All releases share one pool, so that what arms import beside upstream is imported once.
    """
    with Pool(bench.lanes) as pool, ThreadPoolExecutor(bench.lanes + 1) as threads:

        def column(release: str) -> list[Cell]:
            tree = bench.releases.tree(release)
            started(release)
            return list(_column(tree, reproducers, bench, pool))

        futures = [threads.submit(column, release) for release in releases]
        try:
            for future in as_completed(futures):
                yield from future.result()
        finally:
            _give_up(futures, pool)


def _give_up(futures: Sequence[Future[list[Cell]]], pool: Pool) -> None:
    """Whoever stops listening ends the run: nothing new is begun, and what runs is killed."""
    for future in futures:
        future.cancel()
    pool.close()


def settled(cells: Sequence[Cell]) -> list[Cell]:
    """The cells by reproducer and release, the clean ones told apart by the affected ones around them."""
    ordered = sorted(cells, key=lambda cell: (cell.reproducer.id, order(cell.release)))
    return [_settle(cell, ordered) for cell in ordered]


def likenesses(cells: Sequence[Cell]) -> list[Likeness]:
    """For every reverted arm that faulted: how it compares with the newest affected release."""
    found = []
    for cell in cells:
        if cell.reverted and (real := _newest_affected(cell, cells)):
            found.append(_likeness(cell, real))
    return found


def disagreements(cells: Sequence[Cell], compared: Sequence[Likeness]) -> list[str]:
    """Where what was measured is not what the reproducers declare; each is a failure."""
    told = [_against_declared(cell) for cell in cells] + [cell.problem for cell in cells]
    unlike = [
        f"{one.reproducer} {one.release}: reverted, it does not fault like {one.affected}: "
        f"{'; '.join([*(f'lacks {text}' for text in one.missing), *(f'adds {text}' for text in one.added)])}"
        for one in compared
        if not one.same and not one.only_named
    ]
    return [text for text in told if text] + unlike


# --- one release ---------------------------------------------------------------------------


def _column(tree: Tree, reproducers: Sequence[Reproducer], bench: Bench, pool: Pool) -> Iterator[Cell]:
    suite = Suite(_setting(tree, bench), pool=pool)
    cells = [Cell(reproducer=one, release=_name(tree), status=Status.NOT_APPLICABLE) for one in reproducers]
    missing = [(cell, _missing_symbol(tree, cell.reproducer)) for cell in cells]
    yield from (replace(cell, reason=why) for cell, why in missing if why)
    clean = []
    for cell, judged in _judged(suite, [cell for cell, why in missing if not why], "fixed"):
        measured = _published(cell, judged)
        clean += [measured] if measured.status is Status.FIXED else []
        yield from [] if measured.status is Status.FIXED else [measured]
    # What has not got the bug yet has no fix that could be undone.
    yield from (cell for cell in clean if _predates(cell))
    for cell, judged in _judged(suite, [cell for cell in clean if not _predates(cell)], "reverted"):
        yield _with_revert(cell, judged)


def published(tree: Tree, reproducer: Reproducer, bench: Bench, pool: Pool, repeats: int = 1) -> list[Cell]:
    """One reproducer on one tree as it is, so many times: a cell for each."""
    cell = Cell(reproducer=reproducer, release=_name(tree), status=Status.NOT_APPLICABLE)
    if why := _missing_symbol(tree, reproducer):
        return [replace(cell, reason=why)]
    runs = _judged(Suite(_setting(tree, bench), pool=pool), [cell] * repeats, "fixed")
    return [_published(cell, judged) for cell, judged in runs]


def _setting(tree: Tree, bench: Bench) -> Setting:
    return Setting(
        tree=tree,
        machine=bench.machine,
        goldens=bench.goldens,
        workspace=bench.workspace,
        lanes=bench.lanes,
    )


def _name(tree: Tree) -> str:
    return tree.version or tree.root.name


def _judged(suite: Suite, cells: Sequence[Cell], arm: ArmName) -> Iterator[tuple[Cell, Judged]]:
    """The default point of each cell's reproducer, in one arm."""
    by_id = {cell.reproducer.id: cell for cell in cells}
    requests = [_request(cell.reproducer, arm) for cell in cells]
    for judged in suite.run(requests):
        yield by_id[judged.result.reproducer], judged


def _request(reproducer: Reproducer, arm: ArmName) -> Request:
    """The first case that needs no server: the one that shows the bug as it is written down."""
    tier = reproducer.tiers[0]
    return Request(
        reproducer=reproducer, tier=tier, platform=reproducer.platforms(tier)[0], overrides={}, asked=(arm,)
    )


def _missing_symbol(tree: Tree, reproducer: Reproducer) -> str | None:
    try:
        revert.expected(tree, attested(tree, reproducer))
    except StaleRevert as error:
        return str(error)
    return None


def _published(cell: Cell, judged: Judged) -> Cell:
    """The cell of a release as it was published; FIXED stands for clean until it is settled."""
    result, observation = judged.result, judged.evidence.fixed.observation
    faults = observation.main.faults if observation else ()
    if result.verdict in (Verdict.UNRESOLVED, Verdict.UNSUPPORTED):
        return replace(cell, status=Status.UNRESOLVED, reason=result.reason)
    if not faults:
        return replace(cell, status=Status.FIXED, reason="clean as published")
    told = "; ".join(fault.signature for fault in faults)
    if any(_fits(judged.evidence.expected, fault) for fault in faults):
        return replace(cell, status=Status.AFFECTED, reason=told, published=faults)
    return replace(cell, status=Status.UNRESOLVED, reason=f"it faults in another way: {told}")


def _fits(expected: ExpectedFault, fault: Fault) -> bool:
    """Whether a fault is the bug's. Kernels are not compared: older releases call them otherwise."""
    return fault.kind == expected.kind and expected.buffer in (None, fault.buffer)


def _with_revert(cell: Cell, judged: Judged) -> Cell:
    """The cell of a clean release, with what undoing the fix does to it."""
    result, observation = judged.result, judged.evidence.reverted.observation
    where = f"{cell.reproducer.id} {cell.release}"
    if result.verdict is Verdict.STALE:
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


# --- what was measured against what is declared --------------------------------------------


def _predates(cell: Cell) -> bool:
    since = cell.reproducer.bug.introduced_in
    return since is not None and order(cell.release) < order(since)


def _settle(cell: Cell, cells: Sequence[Cell]) -> Cell:
    """Tell a clean release from before the bug from one that has the fix: by where it lies."""
    if cell.status is not Status.FIXED or cell.revert is Applies.APPLIES:
        return cell
    affected = [order(other.release) for other in _same_bug(cell, cells) if other.status is Status.AFFECTED]
    if affected and order(cell.release) > min(affected):
        return cell
    before = order(cell.release) < min(affected) if affected else _predates(cell)
    return replace(cell, status=Status.NOT_YET_PRESENT, problem=None) if before else cell


def _same_bug(cell: Cell, cells: Sequence[Cell]) -> list[Cell]:
    return [other for other in cells if other.reproducer.id == cell.reproducer.id]


def declared(bug: Bug, release: str) -> Status | None:
    """What a bug's declared range says of a release; None where it says nothing."""
    if order(release) >= order(bug.fixed_in):
        return Status.FIXED
    if bug.introduced_in is None:
        return None
    return Status.AFFECTED if order(release) >= order(bug.introduced_in) else Status.NOT_YET_PRESENT


def exit_code(cells: Sequence[Cell], disagreements: Sequence[str]) -> int:
    """1 for a disagreement, 3 where something is left unresolved, else 0."""
    if disagreements:
        return 1
    return 3 if any(cell.status is Status.UNRESOLVED for cell in cells) else 0


def _against_declared(cell: Cell) -> str | None:
    said = declared(cell.reproducer.bug, cell.release)
    if said in (None, cell.status) or cell.status in (Status.UNRESOLVED, Status.NOT_APPLICABLE):
        return None
    bug = cell.reproducer.bug
    range_ = f"introduced in {bug.introduced_in or 'an unknown release'}, fixed in {bug.fixed_in}"
    where = f"{cell.reproducer.id} {cell.release}"
    return f"{where}: measured {cell.status}, declared {said} ({range_}): {cell.reason}"


def _newest_affected(cell: Cell, cells: Sequence[Cell]) -> Cell | None:
    affected = [other for other in _same_bug(cell, cells) if other.status is Status.AFFECTED]
    return max(affected, key=lambda other: order(other.release), default=None)


def _likeness(cell: Cell, real: Cell) -> Likeness:
    wanted, seen = real.published, cell.reverted or ()
    same = {fault.signature for fault in wanted} & {fault.signature for fault in seen}
    return Likeness(
        reproducer=cell.reproducer.id,
        release=cell.release,
        affected=real.release,
        missing=tuple(fault.signature for fault in wanted if fault.signature not in same),
        added=tuple(fault.signature for fault in seen if fault.signature not in same),
        only_named=sorted(map(_nameless, wanted)) == sorted(map(_nameless, seen)),
    )


def _nameless(fault: Fault) -> str:
    """A fault without the words that a refactoring changes: its kernel and its message."""
    return replace(fault, kernel=None, message=None).signature

"""Reproducers times this machine: plans the arms, runs them side by side, judges what came back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.errors import BadInput, StaleRevert, Unresolved
from harness.facts import Configuration, Expect, Reproducer, Subject
from harness.golden import Golden, GoldenStore
from harness.host import leases
from harness.machine import INTERPRETER, Machine
from harness.observation import Observation
from harness.process.job import Ended, Environment, Job
from harness.process.pool import Pool
from harness.process.preload_cache import PreloadCache
from harness.source import revert
from harness.source.symbols import functions_by_module
from harness.source.tree import Tree
from harness.tiers import arms
from harness.tiers.arms import ArmPlan
from harness.verdict import BOTH, Arm, ArmName, Evidence, Result, conclude
from harness.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Request:
    """One case to run. `overrides` make it a point by hand, judged without goldens; `given` are
    several such points, written out in full.

    `platform` is one of those that the reproducer names for this tier; None is this machine's.
    """

    reproducer: Subject
    tier: str
    platform: str | None = None
    overrides: Mapping[str, Any] | None = None
    given: tuple[Mapping[str, Any], ...] = ()
    asked: tuple[ArmName, ...] = BOTH

    def __post_init__(self) -> None:
        if isinstance(self.reproducer, Configuration):
            object.__setattr__(self, "asked", BOTH[:1])

    @property
    def case(self) -> Any:
        return self.reproducer.case(self.tier, self.platform)

    @property
    def name(self) -> str:
        """The case as folders and progress name it."""
        return ".".join(filter(None, (self.tier, self.platform)))

    @property
    def environment(self) -> str:
        """The kind of environment its arms share."""
        return arms.kind(self.tier, self.platform)

    @property
    def points(self) -> list[dict[str, Any]]:
        case = self.case
        if self.given:
            return [dict(point) for point in self.given]
        return case.points() if self.overrides is None else [{**case.default, **self.overrides}]

    @property
    def by_hand(self) -> bool:
        return self.overrides is not None or bool(self.given)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A result, and the evidence a golden would be recorded from."""

    result: Result
    evidence: Evidence


@dataclass
class _Running:
    """A case whose arms are on their way."""

    request: Request
    plans: dict[ArmName, ArmPlan] = field(default_factory=dict)
    futures: dict[ArmName, Future[Ended]] = field(default_factory=dict)
    stale: str | None = None
    edited: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    golden: Golden | None = None
    told: set[ArmName] = field(default_factory=set)

    @property
    def done(self) -> bool:
        return all(future.done() for future in self.futures.values())

    def arm(self, name: ArmName) -> str:
        """One of its arms, as progress names it."""
        return f"{self.request.reproducer.short_id} {self.request.name} {name}"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a suite runs on: the tree under test, the machine, the goldens and the cache."""

    tree: Tree
    machine: Machine
    goldens: GoldenStore
    workspace: Workspace
    lanes: int = 2


def platform_of(request: Request, machine: Machine) -> str:
    """The platform that a result, and its golden, is of.

    A kernel case that names no platform runs on the CPU, whatever else the machine has.
    """
    if request.tier == "kernel" and request.platform != machine.host:
        return request.platform or "cpu"
    return machine.platform if request.tier == "kernel" else request.platform or machine.platform


def missing(request: Request, machine: Machine) -> tuple[str, ...]:
    """The features that a case needs and this machine lacks."""
    on_the_cpu = request.tier == "kernel" and request.platform is None
    own = frozenset({INTERPRETER} if on_the_cpu else ())
    return machine.missing(own | request.reproducer.requires | request.case.requires)


class Suite:
    """Runs cases; use it as a context manager, which ends every process it started.

    With a `pool` of somebody else's it starts none, and leaves that one open: suites on several
    trees can share what its processes have imported. `started` and `ended` are called with the name of
    each arm.
    """

    def __init__(
        self,
        setting: Setting,
        started: Callable[[str], None] = lambda arm: None,
        ended: Callable[[str], None] = lambda arm: None,
        pool: Pool | None = None,
    ) -> None:
        self._setting = setting
        self._started, self._ended = started, ended
        self._folder = setting.workspace.new_run()
        self._environments: dict[str, Environment] = {}
        seats = leases.Seats(leases.of_this_machine(setting.machine.host), setting.lanes)
        self._pool = pool or Pool(setting.lanes, lend=seats.seat)
        self._owns_pool = pool is None
        self._numbers = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process of its own at once; a second call does nothing."""
        if self._owns_pool:
            self._pool.close()

    @property
    def folder(self) -> Path:
        """Where the arms' logs are."""
        return self._folder

    def run(self, requests: Sequence[Request]) -> Iterator[Judged]:
        """Run every case, yielding each result as soon as its arms have ended."""
        goldens = [self._golden(request) for request in requests]  # a bad one is found before anything runs
        runnable = (request for request in requests if not missing(request, self._setting.machine))
        for kind in dict.fromkeys(request.environment for request in runnable):
            self._pool.warm(self.environment(kind))
        waiting = [self._start(request, golden) for request, golden in zip(requests, goldens, strict=True)]
        while waiting:
            ready = [running for running in waiting if running.done]
            for running in waiting:
                self._tell(running)
            for running in ready:
                waiting.remove(running)
                yield self._judge(running)
            if waiting and not ready:
                wait(
                    [f for running in waiting for f in running.futures.values() if not f.done()],
                    return_when=FIRST_COMPLETED,
                )
        for kind, environment in self._environments.items():
            self._learned(kind).save(self._pool.learned(environment))

    def submit(self, job: Job) -> Future[Ended]:
        """Run something else than a case in an arm of its own; it ends with the suite."""
        return self._pool.submit(job)

    def environment(self, kind: str) -> Environment:
        """What arms of this kind share, with what their forerunners were seen to import."""
        if kind not in self._environments:
            package = self._setting.tree.package
            self._environments[kind] = arms.environment(kind, package, self._learned(kind).load())
        return self._environments[kind]

    def _learned(self, kind: str) -> PreloadCache:
        return PreloadCache(self._setting.workspace.preload(kind), _software(self._setting.machine))

    def _platform(self, request: Request) -> str:
        return platform_of(request, self._setting.machine)

    def _host(self, request: Request) -> str:
        """The kind of machine that a case runs on: what its reverted arm shows depends on it."""
        return request.platform or "cpu" if request.tier == "kernel" else self._setting.machine.host

    # --- starting --------------------------------------------------------------------------

    def _golden(self, request: Request) -> Golden | None:
        if request.by_hand:
            return None
        return self._setting.goldens.load(request.reproducer.id, request.tier, self._platform(request))

    def _start(self, request: Request, golden: Golden | None) -> _Running:
        running = _Running(request, missing=missing(request, self._setting.machine), golden=golden)
        if not running.missing:
            self._plan(running)
            for name, plan in running.plans.items():
                self._started(running.arm(name))
                # Numbered: two points of one case may run side by side.
                folder = self._folder / f"{next(self._numbers)}.{request.reproducer.id}.{request.name}.{name}"
                shared = self.environment(request.environment)
                running.futures[name] = self._pool.submit(arms.job(plan, folder, shared))
        return running

    def _tell(self, running: _Running) -> None:
        """Tell of those of its arms that have ended since it was last asked."""
        for name, future in running.futures.items():
            if future.done() and name not in running.told:
                running.told.add(name)
                self._ended(running.arm(name))

    def _plan(self, running: _Running) -> None:
        tree, request = self._setting.tree, running.request
        if "fixed" in request.asked:
            running.plans["fixed"] = self._arm("fixed", request, tree)
        if isinstance(request.reproducer, Reproducer) and "reverted" in request.asked:
            try:
                reverted = revert.apply(tree, request.reproducer.revert, self._setting.workspace.trees)
            except StaleRevert as error:
                running.stale = str(error)
            else:
                running.edited = reverted.plan.modules
                running.plans["reverted"] = self._arm("reverted", request, reverted.tree)

    def _arm(self, name: ArmName, request: Request, tree: Tree) -> ArmPlan:
        functions = functions_by_module(tree, attested(tree, request.reproducer))
        return ArmPlan(
            name=name,
            reproducer=request.reproducer,
            tier=request.tier,
            platform=request.platform,
            tree=tree,
            functions=functions,
            points=request.points,
            host=self._setting.machine.host,
            models=self._setting.workspace.models,
        )

    def stand(self, request: Request, name: ArmName) -> tuple[Path, Future[Ended]]:
        """Start one arm's server to be left up; its folder, and how it ends. StaleRevert as in `run`.

        Raises BadInput where this machine lacks what the server needs.
        """
        tree, subject = self._setting.tree, request.reproducer
        if lacking := missing(request, self._setting.machine):
            raise BadInput(f"{subject.short_id} cannot run here: this machine lacks {', '.join(lacking)}")
        if name == "reverted":
            assert isinstance(subject, Reproducer)  # a configuration is asked for its fixed arm alone
            tree = revert.apply(tree, subject.revert, self._setting.workspace.trees).tree
        plan = self._arm(name, request, tree)
        folder = self._folder / f"{next(self._numbers)}.{subject.id}.standing.{name}"
        shared = self.environment(request.environment)
        return folder, self._pool.submit(arms.standing_job(plan, folder, shared))

    # --- judging ---------------------------------------------------------------------------

    def _judge(self, running: _Running) -> Judged:
        request, setting = running.request, self._setting
        evidence = Evidence(
            expect=_expected(request, self._host(request)),
            control=request.platform in getattr(request.case, "controls", ()),
            fixed=_ended(running, "fixed"),
            reverted=_ended(running, "reverted"),
            golden=running.golden,
            tree=setting.tree.content_hash,
            missing=running.missing,
            stale=running.stale,
            by_hand=request.by_hand,
            points=tuple(request.points),
            asked=request.asked,
        )
        place: dict[str, Any] = {
            "tier": request.tier,
            "platform": self._platform(request),
            "params": request.points[0],
        }
        seconds = sum(
            arm.observation.seconds for arm in (evidence.fixed, evidence.reverted) if arm.observation
        )
        return Judged(
            result=conclude(request.reproducer, evidence, seconds=seconds, **place), evidence=evidence
        )


def attested(tree: Tree, subject: Subject) -> tuple[str, ...]:
    """The functions one of which an arm must be seen to enter: where this tree has the bug, or its fix."""
    if isinstance(subject, Configuration):
        return subject.enters
    assert isinstance(subject, Reproducer)  # the two kinds that there are
    named = subject.revert.functions
    return named if functions_by_module(tree, named) else subject.formerly or named


def _expected(request: Request, host: str) -> Expect | None:
    subject = request.reproducer
    return subject.expect.at(request.tier, host) if isinstance(subject, Reproducer) else None


def _ended(running: _Running, name: ArmName) -> Arm:
    plan = running.plans.get(name)
    if plan is None:
        return Arm()
    try:
        seen = arms.observation(plan, running.futures[name].result())
        wanted = _wanted(running, plan, seen)
    except (Unresolved, StaleRevert) as error:  # this case's trouble; the others go on
        return Arm(observation=arms.nothing(plan, str(error)))
    functions = tuple(function for names in plan.functions.values() for function in names)
    return Arm(observation=seen, wanted=wanted, functions=functions)


def _wanted(running: _Running, plan: ArmPlan, seen: Observation) -> dict[str, str]:
    """The modules an arm must be seen to have loaded, with their hashes.

    Where the revert applies these are the modules it edits. Where it does not, a function of the
    wanted name may live in several modules, and those that were loaded have to be right.
    """
    hashes = revert.expected(plan.tree, attested(plan.tree, running.request.reproducer))
    loaded = {module.name for module in seen.attestation.modules} if seen.attestation else set()
    wanted = set(running.edited) or loaded
    return {module: sha256 for module, sha256 in hashes.items() if module in wanted} or hashes


def _software(machine: Machine) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(machine.facts.items()))

"""Runs the arms of cases side by side, and hands on each result as soon as it can be judged."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from harness import foreign
from harness.errors import BadInput, GoldenError, RefaultError, Unresolved
from harness.facts import CaseKey, Reproducer
from harness.golden import Golden
from harness.machine import Machine
from harness.observation.compare import one_line
from harness.process.job import Ended, Environment, Job
from harness.process.pool import Pool
from harness.process.protection import Protection
from harness.source.answers import answers
from harness.source.bytecode import Bytecode, Making, Ready
from harness.suite import planning, recorded
from harness.suite.assemblies import Assemblies
from harness.suite.bytecodes import Bytecodes
from harness.suite.environments import Environments
from harness.suite.judging import Judged, failed, judge
from harness.suite.locating import located
from harness.suite.planning import Planned
from harness.suite.request import Request, missing
from harness.suite.setting import Setting
from harness.suite.shield import Shield
from harness.tiers import arms
from harness.tiers.arms import ArmPlan
from harness.tiers.pools import pool_for
from harness.verdict import ArmName


def warm(pool: Pool, requests: Sequence[Request], environments: Environments, machine: Machine) -> None:
    """Begin to import what the arms of each kind share; returns at once."""
    runnable = (request for request in requests if not missing(request, machine))
    with contextlib.suppress(Unresolved):  # its arms meet the same, and each case tells of it
        for kind in dict.fromkeys(request.environment(machine) for request in runnable):
            pool.warm(environments.of(kind))


@dataclass(eq=False)
class _Running:
    """A case whose arms are on their way; `told` are those whose end was told."""

    case: Planned
    started: float = field(default_factory=time.monotonic)
    futures: dict[ArmName, Future[Ended]] = field(default_factory=dict)
    told: set[ArmName] = field(default_factory=set)

    @property
    def done(self) -> bool:
        return all(future.done() for future in self.futures.values())

    def arm(self, name: ArmName) -> str:
        """One of its arms, as progress names it."""
        return f"{self.case.request.reproducer.short_id} {self.case.request.name} {name}"


class Suite:
    """Runs cases; use it as a context manager, which ends every process it started.

    With a `pool` of somebody else's it starts none, and leaves that one open: suites on several
    trees can share what its processes have imported. `started` and `ended` are called with the name of
    each arm. Bytecode is made once for all cases that are `expected`, where they are run one by one.
    """

    def __init__(
        self,
        setting: Setting,
        started: Callable[[str], None] = lambda arm: None,
        ended: Callable[[str], None] = lambda arm: None,
        pool: Pool | None = None,
        expected: Sequence[Request] = (),
    ) -> None:
        self._setting = setting
        self._expected = [request.on(setting.machine) for request in expected]
        self._started, self._ended = started, ended
        self._folder = setting.workspace.new_run()
        self._environments = Environments(setting, setting.tree.package)
        self._pool = pool or pool_for(setting.machine, setting.workspace, setting.lanes)
        self._owns_pool = pool is None
        if self._pool.protection is Protection.READ_ONLY:  # elsewhere an arm could write what is kept
            answers().keep_in(setting.workspace.answers)
        self._bytecodes = Bytecodes(setting, self._folder, self._pool.protection)
        self._numbers = count(1)
        self._interpreted: dict[str, Future[Ended]] = {}
        self._turns: Counter[CaseKey] = Counter()
        self._shield = Shield(setting, self._pool.protection)
        self._assemblies = Assemblies(setting, self._pool.protection)

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
        self._bytecodes.discard()
        answers().keep_in(None)

    @property
    def pool(self) -> Pool:
        """What its arms run in, for other suites that are to share it."""
        return self._pool

    @property
    def folder(self) -> Path:
        """Where the arms' logs are."""
        return self._folder

    def run(self, requests: Sequence[Request]) -> Iterator[Judged]:
        """Run every case, yielding each result as soon as its arms have ended.

        A case that cannot be planned, run or judged is UNRESOLVED, with the reason, and the others go on.
        """
        requests = [request.on(self._setting.machine) for request in requests]
        self._interpreted.clear()
        self._turns.clear()
        warm(self._pool, requests, self._environments, self._setting.machine)
        self._shield.raise_it()
        making = self._bytecodes.of_cases([*self._expected, *requests])
        waiting: list[_Running] = []
        for request in requests:
            waiting.append(self._start(request, making))
            yield from map(self._judged, self._ready(waiting))  # whoever stops us now has them already
        while waiting:
            ready = self._ready(waiting)
            yield from map(self._judged, ready)
            if waiting and not ready:
                _wait_for_one(waiting)
        self._assemblies.keep(self._pool, self._new_folder("assembly"), self.environment("codegen"))
        self._environments.save(self._pool, self._new_folder("common"))

    def submit(self, job: Job) -> Future[Ended]:
        """Run something else than a case in an arm of its own; it ends with the suite."""
        return self._pool.submit(job)

    def bytecode(self, modules: Sequence[str]) -> Bytecode:
        """Bytecode of modules of the tree under test, and of what they import."""
        return self._bytecodes.of(modules).done

    def environment(self, kind: str) -> Environment:
        """What arms of this kind share, with what their forerunners were seen to import."""
        return self._environments.of(kind)

    def stand(self, request: Request, name: ArmName) -> tuple[Path, Future[Ended]]:
        """Start one arm's server to be left up; its folder, and how it ends. StaleRevert as in `run`.

        Raises BadInput where this machine lacks what the server needs.
        """
        request, subject = request.on(self._setting.machine), request.reproducer
        if lacking := missing(request, self._setting.machine):
            raise BadInput(f"{subject.short_id} cannot run here: this machine lacks {', '.join(lacking)}")
        here, _ = planning.place(request, self._setting)
        tree = here.tree
        if name == "reverted":
            assert isinstance(subject, Reproducer)  # a configuration is asked for its fixed arm alone
            tree = planning.reverted_tree(subject, here)
        bytecode = self._bytecodes.of_cases([request]).done
        plan = replace(planning.arm(name, request, tree, here), bytecode=bytecode)
        folder = self._new_folder(f"{subject.id}.standing.{name}")
        job = arms.kept_server_job(plan, folder, self._shared(request), self._shield.over(plan))
        return folder, self._pool.submit(job)

    def _ready(self, waiting: list[_Running]) -> list[_Running]:
        """Take those out of `waiting` whose arms have all ended."""
        for running in waiting:
            self._tell(running)
        ready = [running for running in waiting if running.done]
        for running in ready:
            waiting.remove(running)
        return ready

    def _golden(self, request: Request) -> Golden | None:
        if request.by_hand:
            return None
        return recorded.golden(request, self._setting.machine, self._setting.goldens)

    def _shared(self, request: Request) -> Environment:
        return self.environment(request.environment(self._setting.machine))

    def _start(self, request: Request, making: Making | Ready) -> _Running:
        """Hand its arms over to be run. What goes wrong on the way is this case's own failure."""
        try:
            running = _Running(self._planned(request))
            self._submit(running, making)
        except Exception as error:  # noqa: BLE001 - told as the case's reason
            return _Running(Planned(request=request, failed=_why(error)))
        return running

    def _planned(self, request: Request) -> Planned:
        try:
            golden, problem = self._golden(request), None
        except GoldenError as error:
            golden, problem = None, str(error)
        return replace(planning.plan(request, golden, self._setting), ungolden=problem)

    def _submit(self, running: _Running, making: Making | Ready) -> None:
        request = running.case.request
        jobs, key = {}, request.key(self._setting.machine)
        for name, planned in running.case.plans.items():
            if name == "interpreted" and (shared := self._interpreted.get(_interpreting(planned))):
                running.futures[name] = shared
                continue
            plan = replace(planned, bytecode=making.done, assembly=self._assemblies.over(planned))
            folder = self._new_folder(f"{request.reproducer.id}.{request.name}.{name}")
            shared_by = self.environment(arms.kind(plan.tier, plan.platform))
            jobs[name] = arms.job(plan, folder, shared_by, self._shield.over(plan), self._turns[key])
        self._turns[key] += 1
        # A reverted arm mostly takes longer, since it has faults to tell: it is not to be the last one.
        for name, job in sorted(jobs.items(), key=lambda each: each[0] != "reverted"):
            self._started(running.arm(name))
            running.futures[name] = self._pool.submit(job)
            self._interpreted[_interpreting(running.case.plans[name])] = running.futures[name]

    def _judged(self, running: _Running) -> Judged:
        try:
            changed = self._shield.changed(running.started)
            self._assemblies.take(running.futures.values())
            judged = judge(running.case, running.futures, self._setting, changed)
            return located(running.case, judged, self._once_more)
        except Exception as error:
            if isinstance(error, BadInput) and running.case.request.by_hand:
                raise  # it refused the parameters that the user gave
            return failed(running.case, self._setting, _why(error))

    def _once_more(self, plan: ArmPlan) -> Ended:
        """Run an arm by itself and wait for its end: what nobody needs but where two ways disagree."""
        folder = self._new_folder(f"{plan.reproducer.id}.{plan.name}.elements")
        shared = self.environment(arms.kind(plan.tier, plan.platform))
        job = arms.job(plan, folder, shared, self._shield.over(plan))
        self._started(f"{plan.reproducer.short_id} {plan.name} once more, by elements")
        ended = self._pool.submit(job).result()
        self._ended(f"{plan.reproducer.short_id} {plan.name} once more, by elements")
        return ended

    def _new_folder(self, name: str) -> Path:
        # Numbered: two points of one case may run side by side.
        return self._folder / f"{next(self._numbers)}.{name}"

    def _tell(self, running: _Running) -> None:
        """Tell of those of its arms that have ended since it was last asked."""
        for name, future in running.futures.items():
            if future.done() and name not in running.told:
                running.told.add(name)
                self._ended(running.arm(name))


def _interpreting(plan: ArmPlan) -> str:
    """What a run in the interpreter is the same run by: one beside an emulation need not be made twice."""
    arm = "fixed" if plan.name == "interpreted" else plan.name
    tree = plan.tree.content_hash
    return one_line([plan.reproducer.id, tree, plan.tier, str(plan.platform), arm, list(plan.points)])


def _why(error: Exception) -> str:
    """Refault's own errors in their words, any other with its type."""
    text = str(error) if isinstance(error, RefaultError) else f"{type(error).__name__}: {error}"
    return foreign.shown(" ".join(text.split()))


def _wait_for_one(waiting: Sequence[_Running]) -> None:
    """Wait until another arm of these cases has ended."""
    futures = [future for running in waiting for future in running.futures.values() if not future.done()]
    wait(futures, return_when=FIRST_COMPLETED)

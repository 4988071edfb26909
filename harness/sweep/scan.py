"""Looks in a tree's other kernels for the store that a signature is about: candidates, and what was left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any

from harness.errors import BadInput
from harness.facts import CPU, Host, Platform, Tier
from harness.process.job import Ended, Job
from harness.process.limits import Limits
from harness.source import kernels
from harness.source.bytecode import Bytecode
from harness.source.tree import Tree
from harness.suite import Suite
from harness.tiers.arms import MEMORY_MB, kind

_SHARE = 12
"""Modules that one arm takes; those of one that dies are asked for one by one."""
_SECONDS = 600.0


class Pass(StrEnum):
    """What is done with each module, in this order."""

    COMPILED = "compiled"
    EXECUTED = "executed"
    INTERPRETED = "interpreted"


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """Modules of which a pass told nothing, since their arm `ended` so; its log is in `log`."""

    step: Pass
    modules: tuple[str, ...]
    ended: str
    log: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a scan found: `candidates` as tiers.codegen.store_scan.Candidate has them, in order of module.

    `kernels` is how many were compiled, of so many `modules`; `left_out` counts the others by reason.
    `executed` are those whose machine code was executed, where the platform's can be, and which the
    interpreter was asked for, too. `done` of `wanted` passes of a module are over.
    """

    platform: Platform
    modules: int
    kernels: int = 0
    candidates: tuple[Mapping[str, Any], ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    executed: tuple[Executed, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    done: int = 0
    wanted: int = 0


@dataclass(frozen=True, kw_only=True)
class Step:
    """A pass is over for so many modules more; `found` is the table as it is by then."""

    ended: Pass
    modules: int
    found: Found


@dataclass(frozen=True, kw_only=True)
class Executed:
    """One kernel, executed with invented arguments as machine code and in the interpreter; both as
    tiers.codegen.execution.Execution has them."""

    emulated: Mapping[str, Any]
    interpreted: Mapping[str, Any] | None

    @property
    def kernel(self) -> str:
        return str(self.emulated["kernel"])

    @property
    def outcome(self) -> str:
        """`agrees`, `differs`, `UNSUPPORTED`, or why nothing can be compared."""
        one, other = self.emulated, self.interpreted
        if one["unsupported"]:
            return "UNSUPPORTED"
        if one["failed"]:
            return f"no end ({one['failed']})"
        if not other or not other["digest"]:
            return "not interpreted"
        if one["digest"] == other["digest"]:
            return "agrees"
        return "astray" if one["astray"] or other["astray"] else "differs"


def modules(tree: Tree, only: str) -> list[str]:
    """The modules with Triton kernels whose name holds `only`. BadInput if there is none."""
    named = [module for module in kernels.modules(tree) if only in module]
    if not named:
        raise BadInput(f"no module of {tree.package} with a Triton kernel has {only!r} in its name")
    return named


def passes(platform: Platform) -> tuple[Pass, ...]:
    """What is done for a platform: the machine code of AMD's is executed, too."""
    return tuple(Pass) if platform.host is Host.ROCM else (Pass.COMPILED,)


def nothing(platform: Platform, named: Sequence[str]) -> Found:
    """The table before anything was done."""
    return Found(platform=platform, modules=len(named), wanted=len(named) * len(passes(platform)))


def walk(suite: Suite, tree: Tree, platform: Platform, named: Sequence[str]) -> Iterator[Step]:
    """Compile the integer kernels of these modules for one platform, and execute them where that can be.

    An arm that dies is asked again for each of its modules by itself: what ends it costs no other module.
    """
    table, ask = _Table(nothing(platform, named)), _Asker(suite, tree, platform, suite.bytecode(named))
    shares = [named[begin : begin + _SHARE] for begin in range(0, len(named), _SHARE)]
    waiting = {ask(step, share): (step, share) for share in shares for step in passes(platform)}
    while waiting:
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            step, share = waiting.pop(future)
            ended = future.result()
            if ended.result is None and len(share) > 1:
                waiting |= {ask(step, [module]): (step, [module]) for module in share}
                continue
            table.take(step, share, ended)
            yield Step(ended=step, modules=len(share), found=table.found)


class _Asker:
    """Has arms asked for modules."""

    def __init__(self, suite: Suite, tree: Tree, platform: Platform, bytecode: Bytecode) -> None:
        self._suite, self._tree, self._platform, self._bytecode = suite, tree, platform, bytecode
        self._numbers = count()

    def __call__(self, step: Pass, share: Sequence[str]) -> Future[Ended]:
        return self._suite.submit(self._job(step, share))

    def _job(self, step: Pass, share: Sequence[str]) -> Job:
        module = "store_scan" if step is Pass.COMPILED else "execution"
        platform = self._place(step)
        tier = "codegen" if step is Pass.COMPILED else kind(Tier.KERNEL, platform)
        return Job(
            entry=f"harness.tiers.codegen.{module}:enter",
            payload={
                "root": str(self._tree.root),
                "package": self._tree.package,
                "bytecode": self._bytecode.to_json(),
                "platform": str(platform),
                "modules": list(share),
            },
            folder=Path(self._suite.folder) / f"scan.{next(self._numbers)}.{step}",
            limits=Limits(seconds=_SECONDS, memory_mb=MEMORY_MB["codegen"]),
            environment=self._suite.environment(tier),
        )

    def _place(self, step: Pass) -> Platform:
        """Where the code of a pass runs, or for what it is compiled."""
        if step is Pass.COMPILED:
            return self._platform
        return Platform(Host.EMULATED, self._platform.chip) if step is Pass.EXECUTED else CPU


class _Table:
    """The table as it grows."""

    def __init__(self, empty: Found) -> None:
        self._empty, self._done, self._kernels = empty, 0, 0
        self._rows: list[Mapping[str, Any]] = []
        self._left_out = Counter[str]()
        self._dropped: list[Dropped] = []
        self._ran: dict[Pass, dict[str, Mapping[str, Any]]] = {step: {} for step in Pass}
        self._over: set[str] = set()

    def take(self, step: Pass, share: Sequence[str], ended: Ended) -> None:
        """What an arm handed back, or that it told nothing."""
        self._done += len(share)
        if step is Pass.INTERPRETED:
            self._over.update(share)
        if ended.result is None:
            how = ", ".join(filter(None, (ended.exit.how, ended.exit.signal, ended.exit.message)))
            self._dropped.append(Dropped(step=step, modules=tuple(share), ended=how, log=str(ended.log)))
        elif step is Pass.COMPILED:
            self._rows += ended.result["candidates"]
            self._left_out.update(ended.result["left_out"])
            self._kernels += ended.result["kernels"]
        else:
            self._ran[step] |= {one["kernel"]: one for one in ended.result["executed"]}

    @property
    def found(self) -> Found:
        dropped = sorted(self._dropped, key=lambda one: (list(Pass).index(one.step), one.modules))
        rows = sorted(self._rows, key=lambda row: (row["module"], row["kernel"]))
        return replace(
            self._empty, kernels=self._kernels, candidates=tuple(rows), left_out=dict(self._left_out),
            executed=tuple(self._executed()), dropped=tuple(dropped), done=self._done,
        )  # fmt: skip

    def _executed(self) -> Iterator[Executed]:
        """Each kernel that was executed, once the interpreter was asked for its module."""
        for name, one in sorted(self._ran[Pass.EXECUTED].items()):
            if name.rpartition(".")[0] in self._over:
                yield Executed(emulated=one, interpreted=self._ran[Pass.INTERPRETED].get(name))

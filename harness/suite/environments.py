"""What arms of one kind share, with what their forerunners were seen to import."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.machine import Machine
from harness.process.job import Environment
from harness.process.pool import Pool
from harness.process.preload_cache import PreloadCache
from harness.suite.common_modules import CommonModules
from harness.suite.setting import Bench
from harness.tiers import arms


class Environments:
    """The environments of arms on trees of one package, each made once."""

    def __init__(self, bench: Bench, package: str) -> None:
        self._bench, self._package = bench, package
        self._made: dict[str, Environment] = {}
        self._before: dict[str, tuple[str, ...]] = {}
        self._common = CommonModules(self._cache("common"), self._cache("apart"))

    def of(self, kind: str) -> Environment:
        """The environment of a kind, as `harness.tiers.arms.kind` names it."""
        if kind not in self._made:
            self._before[kind], common = self._learned(kind), self._common.known
            self._made[kind] = arms.environment(
                kind, self._package, self._before[kind], self._bench.homes, common
            )
        return self._made[kind]

    def every(self, kinds: Iterable[str]) -> dict[str, Environment]:
        """Those of several kinds, by kind."""
        return {kind: self.of(kind) for kind in kinds}

    def save(self, pool: Pool, folder: Path) -> None:
        """Keep for the next suite what the pool's processes imported in this one.

        Where kinds of BRANCHES stood side by side it is found out, in `folder`, what they have in common: of
        what earlier suites learned, since a cache that is used once gains nothing from that.
        """
        for kind, environment in self._made.items():
            self._cache(kind).save(pool.learned(environment))
        if self._before.keys() >= arms.BRANCHES:
            both = dict.fromkeys(name for kind in sorted(arms.BRANCHES) for name in self._before[kind])
            shared = arms.base(self._package, self._common.known, self._bench.homes)
            self._common.sort(tuple(both), pool, folder, shared)

    def _learned(self, kind: str) -> tuple[str, ...]:
        """What arms of a kind were seen to import; a server imports most of what kernels do."""
        also = self._cache("kernel").load() if kind == arms.CPU_SERVER else ()
        return tuple(dict.fromkeys((*self._cache(kind).load(), *also)))

    def _cache(self, name: str) -> PreloadCache:
        return PreloadCache(self._bench.workspace.preload(name), _software(self._bench.machine))


def _software(machine: Machine) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(machine.facts.items()))

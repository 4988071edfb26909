"""What arms of one kind share, with what their forerunners were seen to import."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.process.job import Environment
from harness.process.pool import Pool
from harness.suite.common_modules import CommonModules
from harness.suite.setting import Bench
from harness.tiers import arms
from harness.tiers.learned import Learned


class Environments:
    """The environments of arms on trees of one package, each made once."""

    def __init__(self, bench: Bench, package: str) -> None:
        self._bench, self._package = bench, package
        self._made: dict[str, Environment] = {}
        self._before: dict[str, tuple[str, ...]] = {}
        self._cached = Learned(bench.workspace, bench.machine)
        self._common = CommonModules(self._cached.common, self._cached.of("apart"))

    def of(self, kind: str) -> Environment:
        """The environment of a kind, as `harness.tiers.arms.kind` names it."""
        if kind not in self._made:
            self._before[kind] = self._cached.before(kind)
            self._made[kind] = self._cached.environment(kind, self._package, self._bench.homes)
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
            self._cached.of(kind).save(pool.learned(environment))
        if self._before.keys() >= arms.BRANCHES:
            both = dict.fromkeys(name for kind in sorted(arms.BRANCHES) for name in self._before[kind])
            shared = arms.base(self._package, self._common.known, self._bench.homes)
            self._common.sort(tuple(both), pool, folder, shared)

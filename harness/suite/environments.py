"""What arms of one kind share, with what their forerunners were seen to import."""

from __future__ import annotations

from harness.machine import Machine
from harness.process.job import Environment
from harness.process.pool import Pool
from harness.process.preload_cache import PreloadCache
from harness.suite.setting import Setting
from harness.tiers import arms


class Environments:
    """The environments of one suite, each made once."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._made: dict[str, Environment] = {}

    def of(self, kind: str) -> Environment:
        """The environment of a kind, as `harness.tiers.arms.kind` names it."""
        if kind not in self._made:
            package = self._setting.tree.package
            self._made[kind] = arms.environment(
                kind, package, self._learned(kind).load(), self._setting.homes
            )
        return self._made[kind]

    def save(self, pool: Pool) -> None:
        """Keep for the next suite what the pool's processes imported in this one."""
        for kind, environment in self._made.items():
            self._learned(kind).save(pool.learned(environment))

    def _learned(self, kind: str) -> PreloadCache:
        return PreloadCache(self._setting.workspace.preload(kind), _software(self._setting.machine))


def _software(machine: Machine) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(machine.facts.items()))

"""What arms were seen to import, kept between runs by the kind of their environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.facts import Tier
from harness.homes import Home
from harness.machine import Machine
from harness.machine.workspace import Workspace
from harness.process.job import Environment
from harness.process.preload_cache import PreloadCache
from harness.tiers import arms

_COMMON = "common"


@dataclass(frozen=True)
class Learned:
    """The lists of one cache, as far as they were made with the software of this machine."""

    workspace: Workspace
    machine: Machine

    def of(self, name: str) -> PreloadCache:
        """The list of a kind of environment, or of that name."""
        facts = sorted(self.machine.facts.items())
        return PreloadCache(
            self.workspace.preload(name), " ".join(f"{name}={value}" for name, value in facts)
        )

    @property
    def common(self) -> PreloadCache:
        """What kinds of environments were found to have in common."""
        return self.of(_COMMON)

    def before(self, kind: str) -> tuple[str, ...]:
        """What arms of a kind were seen to import; a server imports most of what kernels do."""
        also = self.of(Tier.KERNEL).load() if kind == arms.CPU_SERVER else ()
        return tuple(dict.fromkeys((*self.of(kind).load(), *also)))

    def environment(self, kind: str, package: str, homes: Sequence[Home]) -> Environment:
        """The environment of a kind, as `harness.tiers.arms.kind` names it."""
        return arms.environment(kind, package, self.before(kind), homes, self.common.load())

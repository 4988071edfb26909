"""What suites run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.golden import GoldenStore
from harness.homes import Home
from harness.machine import Machine, this_machine, workspace
from harness.machine.workspace import Workspace
from harness.process.warm.lender import Lender
from harness.source.releases import Releases
from harness.source.resolve import resolve
from harness.source.tree import Tree


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What suites on any tree share: the machine, the goldens and the cache.

    `homes` are where reproducers live; arms find those here that Python does not find by itself.
    """

    machine: Machine
    goldens: GoldenStore
    workspace: Workspace
    homes: tuple[Home, ...] = ()
    lanes: int = 2

    @classmethod
    def here(cls, homes: Sequence[Home], lanes: int = 2) -> Bench:
        """This machine, its cache, and the goldens that lie with the reproducers of these homes."""
        return cls(
            machine=this_machine(),
            goldens=GoldenStore.of(homes),
            workspace=workspace.default(),
            homes=tuple(homes),
            lanes=lanes,
        )

    @property
    def lender(self) -> Lender:
        """What has fork servers ready for pools, where `refault warm` runs."""
        return Lender(self.workspace.warm)

    @property
    def releases(self) -> Releases:
        return Releases(self.workspace.releases)

    def on(self, tree: Tree) -> Setting:
        return Setting(**{**vars(self), "tree": tree})

    def given(self, sglang: str) -> Setting:
        """On the tree that `--sglang` names. BadInput where there is none."""
        return self.on(resolve(sglang, self.workspace.releases))


@dataclass(frozen=True, kw_only=True)
class Setting(Bench):
    """What one suite runs on: the tree under test, and the bench."""

    tree: Tree

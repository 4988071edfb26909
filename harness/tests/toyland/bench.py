"""Runs toy reproducers through the real suite: real arms, reverts, attestation and goldens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness import catalogue
from harness.facts import Reproducer, Subject, Tier
from harness.golden import GoldenStore
from harness.machine import this_machine
from harness.machine.workspace import Workspace
from harness.process.pool import Pool
from harness.source.tree import Tree, at
from harness.suite import Judged, Request, Setting, Suite
from harness.tests.toyland import bugs, served, serving, upstream
from harness.verdict import BOTH, ArmName, Result, Verdict, golden_of


def bug(name: str) -> Reproducer:
    """The toy reproducer of that module name."""
    return catalogue.load_reproducer(f"{bugs.__name__}.{name}")


def subject(name: str) -> Subject:
    """What the toy's server is tested by, of that module name."""
    return catalogue.load(f"{served.__name__}.{name}")


@dataclass(frozen=True)
class Bench:
    """One tree and one folder of goldens; pool and cache are shared, since filling them takes seconds."""

    folder: Path
    cache: Path
    pool: Pool
    tree: Tree

    @property
    def goldens(self) -> GoldenStore:
        return GoldenStore(self.folder / "golden")

    @property
    def setting(self) -> Setting:
        workspace = Workspace(self.cache)
        return Setting(tree=self.tree, machine=this_machine(), goldens=self.goldens, workspace=workspace)

    def judge(
        self,
        reproducer: Subject,
        overrides: Mapping[str, Any] | None = None,
        asked: tuple[ArmName, ...] = BOTH,
        tier: Tier = Tier.KERNEL,
    ) -> Judged:
        """Run one case of one tier."""
        request = Request(reproducer=reproducer, tier=tier, overrides=overrides, asked=asked)
        with Suite(self.setting, pool=self.pool) as suite:
            (judged,) = suite.run([request])
        return judged

    def record(self, reproducer: Subject, tier: Tier = Tier.KERNEL) -> Result:
        """Run one case and keep what it showed as its golden."""
        return self.keep(self.judge(reproducer, tier=tier))

    def keep(self, judged: Judged) -> Result:
        """Keep what a case showed as its golden."""
        assert judged.result.verdict is Verdict.UNRECORDED, judged.result.reason
        self.goldens.save(golden_of(judged.result, judged.evidence, {"torch": "2.13.0"}))
        return judged.result

    def on(self, pages: str, name: str = "altered") -> Bench:
        """The same goldens, and a toy whose `pages.py` reads like this."""
        return replace(self, tree=at(upstream.write(self.folder / name, pages)))


def lay_out(folder: Path, cache: Path, pool: Pool) -> Bench:
    """A bench on the toy as it is, without goldens."""
    return Bench(folder, cache, pool, at(upstream.write(folder / "toy")))


def lay_out_server(folder: Path, cache: Path, pool: Pool) -> Bench:
    """The same on the toy with a server."""
    return Bench(folder, cache, pool, at(serving.write(folder / "toy")))

"""Runs cases on any tree with one pool, whose fork server imports what upstream needs once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness import catalogue, plugin
from harness.facts import Platform, Reproducer, Tier
from harness.golden import GoldenStore
from harness.machine import this_machine
from harness.machine.workspace import Workspace, default
from harness.process.pool import Pool
from harness.source.tree import Tree, installed
from harness.suite import Judged, Request, Setting, Suite
from harness.verdict import BOTH, ArmName

Run = Callable[..., Judged]


@pytest.fixture(scope="session")
def pool(pytestconfig: pytest.Config) -> Pool:
    """That of the reproducers' own rows, whose processes have imported the same."""
    return plugin.suite(pytestconfig).pool


@pytest.fixture(scope="session")
def upstream() -> Tree:
    """The installed tree; its content is hashed once for all tests."""
    return installed()


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A cache of the tests' own, since altered trees are of no use to later runs.

    What to preload is taken over from the user's, if that is known there.
    """
    own = Workspace(tmp_path_factory.mktemp("cache"))
    for kind in ("kernel", "codegen", "common", "apart"):
        learned = default().preload(kind)
        if learned.is_file():
            shutil.copy(learned, own.preload(kind))
    return own


@pytest.fixture
def run(pool: Pool, upstream: Tree, workspace: Workspace, tmp_path: Path) -> Run:
    """Judges one case on a tree: by the repository's goldens, by none, or at a point by hand."""

    def judge(
        reproducer: Reproducer,
        tree: Tree | None = None,
        overrides: Mapping[str, Any] | None = None,
        *,
        goldens: bool = True,
        asked: tuple[ArmName, ...] = BOTH,
        tier: Tier = Tier.KERNEL,
        platform: Platform | None = None,
    ) -> Judged:
        folder = catalogue.golden_folder() if goldens else tmp_path / "no goldens"
        machine, store = this_machine(), GoldenStore(folder)
        setting = Setting(tree=tree or upstream, machine=machine, goldens=store, workspace=workspace)
        request = Request(
            reproducer=reproducer, tier=tier, platform=platform, overrides=overrides, asked=asked
        )
        (judged,) = Suite(setting, pool=pool).run([request])
        return judged

    return judge

"""What begins while a command is still being read, and where nothing does."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness import homes
from harness.commands import head_start
from harness.facts import Host, Platform
from harness.machine import this_machine
from harness.machine.workspace import Workspace
from harness.process.job import Environment
from harness.process.pool import Pool
from harness.process.warm.place import Place
from harness.suite.environments import Environments
from harness.suite.setting import Bench
from harness.tiers import pools
from harness.tiers.learned import Learned


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A cache that knows what arms have in common."""
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path / "cache"))
    workspace = Workspace(tmp_path / "cache")
    Learned(workspace, this_machine()).common.save(["json", "email"])
    return workspace


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Environment]:
    """Of what pools started a fork server."""
    asked: list[Environment] = []
    monkeypatch.setattr(Pool, "_fork_server", lambda pool, base, is_base: asked.append(base))
    return asked


@pytest.mark.parametrize("sglang", ["installed", "0.5.23"])
def test_it_is_what_kinds_of_arms_are_forks_of_later(
    kept: Workspace, begun: list[Environment], sglang: str
) -> None:
    own = homes.every()
    head_start.pool(sglang, own, 1).close()
    environments = Environments(Bench.here(own), "sglang")
    assert [environment.key for environment in begun] == [
        base.key for kind in ("kernel",) if (base := environments.of(kind).base)
    ]
    assert begun[0].preload[1:] == ("json", "email")


def test_of_a_tree_that_is_not_looked_at_yet_nothing_is_known(
    kept: Workspace, begun: list[Environment], tmp_path: Path
) -> None:
    head_start.pool(str(tmp_path), homes.every(), 1).close()
    assert begun == []


def test_before_anything_was_learned_there_is_nothing_to_begin_with(
    begun: list[Environment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path))
    head_start.pool("installed", homes.every(), 1).close()
    assert begun == []


def test_a_process_that_stands_ready_has_it_already(kept: Workspace, begun: list[Environment]) -> None:
    # Another process's: a lock that this one holds does not keep it from itself.
    Place(kept.warm).take()
    if os.fork() == 0:
        head_start.pool("installed", homes.every(), 1).close()
        os._exit(len(begun))
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
    assert begun == []


def test_arms_beside_a_gpu_import_for_themselves(kept: Workspace, begun: list[Environment]) -> None:
    machine = this_machine()
    gpu = replace(machine, platform=Platform(Host.CUDA, "sm90"))
    with pools.pool_for(machine, kept, 1) as pool:
        pools.begin(pool, "sglang", gpu, kept, homes.every())
    assert begun == []

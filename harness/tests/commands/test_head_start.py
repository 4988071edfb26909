"""What begins while a command is still being read, and where nothing does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import homes
from harness.commands import head_start
from harness.facts import Host, Platform, Tier
from harness.machine import this_machine
from harness.machine.workspace import Workspace
from harness.process.job import Environment
from harness.process.pool import Pool
from harness.suite.environments import Environments
from harness.suite.setting import Bench
from harness.tiers import pools
from harness.tiers.learned import Learned

KERNEL = "kernel"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A cache that knows what arms of the kernel tier import."""
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path / "cache"))
    workspace = Workspace(tmp_path / "cache")
    Learned(workspace, this_machine()).of(KERNEL).save(["json", "email"])
    return workspace


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Environment]:
    """Of what pools started a fork server."""
    asked: list[Environment] = []
    monkeypatch.setattr(Pool, "_fork_server", lambda pool, environment: asked.append(environment))
    return asked


@pytest.mark.parametrize("sglang", ["installed", "0.5.23"])
@pytest.mark.parametrize("kind", [KERNEL, "cpu-server"])
def test_it_is_where_the_first_arms_will_run(
    kept: Workspace, begun: list[Environment], sglang: str, kind: str
) -> None:
    own = homes.every()
    head_start.pool(sglang, own, 1, kind).close()
    assert begun == [Environments(Bench.here(own), "sglang").of(kind)]
    assert begun[0].preload[-2:] == ("json", "email")


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        (("24587",), KERNEL),
        (("24587", Tier.SERVER, Tier.KERNEL), KERNEL),
        (("24587", Tier.CODEGEN), "codegen"),
        (("24587", Tier.SERVER), "cpu-server"),
        (("config_paged_triton",), "cpu-server"),
        (("config_paged_triton", Tier.KERNEL), KERNEL),
    ],
)
def test_what_was_typed_tells_where_that_will_be(typed: tuple[str, *tuple[Tier, ...]], kind: str) -> None:
    bug, *tiers = typed
    assert head_start.kind(bug, tiers) == kind


def test_of_a_tree_that_is_not_looked_at_yet_nothing_is_known(
    kept: Workspace, begun: list[Environment], tmp_path: Path
) -> None:
    head_start.pool(str(tmp_path), homes.every(), 1, KERNEL).close()
    assert begun == []


def test_before_anything_was_learned_it_begins_with_what_all_need(
    begun: list[Environment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path))
    head_start.pool("installed", homes.every(), 1, KERNEL).close()
    assert [one.preload for one in begun] == [("harness.host.preload", "harness.tiers.kernel.arm")]


def test_arms_beside_a_gpu_import_for_themselves(kept: Workspace, begun: list[Environment]) -> None:
    gpu = replace(this_machine(), platform=Platform(Host.CUDA, "sm90"))
    with pools.pool_for(this_machine(), kept, 1) as pool:
        pools.begin(pool, KERNEL, "sglang", Learned(kept, gpu), homes.every())
    assert begun == []

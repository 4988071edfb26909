"""What this machine has and what it lacks for Refault, one line a check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness import catalogue
from harness.errors import RefaultError
from harness.facts import Reproducer
from harness.golden import GoldenStore
from harness.host import leases
from harness.host.leases import Holder
from harness.machine import Machine
from harness.source import tree
from harness.workspace import Workspace


@dataclass(frozen=True)
class Check:
    """`ok` is None where nothing is wrong but something is missing that some cases need."""

    name: str
    ok: bool | None
    found: str


def checks(machine: Machine, workspace: Workspace, reproducers: Sequence[Reproducer]) -> Iterator[Check]:
    yield Check(
        "platform", True, f"{machine.platform}; {', '.join(f'{k} {v}' for k, v in machine.facts.items())}"
    )
    yield Check("features", True, ", ".join(sorted(machine.features)) or "none")
    yield _gpus(machine)
    yield _upstream()
    yield from _reproducers(machine, reproducers)
    yield _goldens(machine, reproducers)
    yield _cache(workspace)


def _gpus(machine: Machine) -> Check:
    """Which GPUs arms may lease, and who holds one."""
    try:
        holders = leases.of_this_machine(machine.host).holders()
    except RefaultError as error:
        return Check("gpus", False, str(error))
    if not holders:
        return Check("gpus", True, "none")
    words = [f"{gpu} {_holder(held)}" for gpu, held in holders.items()]
    return Check("gpus", True, ", ".join(words))


def _holder(held: Holder | None) -> str:
    return f"held by process {held.pid} since {held.since}" if held else "free"


def _upstream() -> Check:
    try:
        found = tree.installed("sglang")
    except RefaultError as error:
        return Check("sglang", False, str(error))
    return Check("sglang", True, f"{found.version} at {found.root}")


def _reproducers(machine: Machine, reproducers: Sequence[Reproducer]) -> Iterator[Check]:
    for reproducer in reproducers:
        missing = machine.missing(reproducer.requires)
        lacks = f"UNSUPPORTED here: this machine lacks {', '.join(missing)}"
        yield Check(
            reproducer.short_id, None if missing else True, lacks if missing else ", ".join(reproducer.tiers)
        )


def _goldens(machine: Machine, reproducers: Sequence[Reproducer]) -> Check:
    store = GoldenStore(catalogue.golden_folder())
    orphans = store.orphans({(r.id, tier) for r in reproducers for tier in r.tiers})
    if orphans:
        return Check("goldens", False, f"owned by no reproducer, delete them: {', '.join(map(str, orphans))}")
    try:
        have = [
            store.load(reproducer.id, tier, platform or machine.platform)
            for reproducer in reproducers
            for tier in reproducer.tiers
            for platform in reproducer.platforms(tier)
        ]
    except RefaultError as error:
        return Check("goldens", False, str(error))
    return Check(
        "goldens",
        True,
        f"{sum(map(bool, have))} of {len(have)} recorded for {machine.platform} in {store.folder}",
    )


def _cache(workspace: Workspace) -> Check:
    runs = len(list(workspace.runs.iterdir())) if workspace.runs.is_dir() else 0
    trees = len(list(workspace.trees.iterdir())) if workspace.trees.is_dir() else 0
    return Check(
        "cache", True, f"{workspace.root}: {trees} reverted trees, {runs} runs kept; delete it at any time"
    )

"""Pools for this machine, and one that is at work before it is known what is to be run."""

from __future__ import annotations

from collections.abc import Sequence

from harness.homes import Home
from harness.machine import Machine, gpu_leases
from harness.machine.workspace import Workspace
from harness.process.pool import Pool
from harness.process.warm.lender import Lender
from harness.tiers.learned import Learned


def pool_for(machine: Machine, workspace: Workspace, lanes: int, *, first: bool = False) -> Pool:
    """A pool with so many lanes, whose arms are given the machine's devices in turn.

    With `first` it has a first result as soon as can be, else all of them.
    """
    seats = gpu_leases.Seats(gpu_leases.of_this_machine(machine.host), lanes)
    lender = Lender(workspace.warm)
    return Pool(lanes, lease=seats.seat, lender=lender, first=first, recalled=workspace.recalled)


def begin(pool: Pool, kind: str, package: str, learned: Learned, own: Sequence[Home]) -> None:
    """Has it begin at once with the imports that arms of a kind share.

    They take seconds, part of which pass while the command is read. Beside a GPU, whose arms import for
    themselves, it does nothing.
    """
    if not learned.machine.host.has_devices:
        pool.warm(learned.environment(kind, package, own))

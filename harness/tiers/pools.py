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
    return Pool(lanes, lease=seats.seat, lender=Lender(workspace.warm), first=first)


def begin(pool: Pool, package: str, machine: Machine, workspace: Workspace, own: Sequence[Home]) -> None:
    """Has it begin at once with the imports that most kinds of arms have in common.

    They take seconds, most of which pass while the command is read. Where nothing is known of them, where
    `refault warm` has them ready, and beside a GPU, whose arms import for themselves, it does nothing.
    """
    if not machine.host.has_devices and (base := Learned(workspace, machine).base(package, own)):
        pool.begin(base)

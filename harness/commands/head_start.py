"""Has processes begin with what they import while a command is still being read."""

from __future__ import annotations

from collections.abc import Sequence

from harness.homes import Home
from harness.machine import this_machine, workspace
from harness.process.pool import Pool
from harness.source import releases
from harness.tiers import pools

_PACKAGE = "sglang"


def pool(sglang: str, own: Sequence[Home], lanes: int) -> Pool:
    """A pool for arms on the tree that `--sglang` names; of a release they are known to share imports.

    Of any other tree it is not known yet what package it holds: there the pool begins with nothing. A
    first result is to be there as soon as can be.
    """
    machine, kept = this_machine(), workspace.default()
    found = pools.pool_for(machine, kept, lanes, first=True)
    if sglang == "installed" or releases.parse(sglang):
        pools.begin(found, _PACKAGE, machine, kept, own)
    return found

"""Has processes begin with what they import while a command is still being read."""

from __future__ import annotations

from collections.abc import Sequence

from harness import catalogue
from harness.facts import Tier
from harness.homes import Home
from harness.machine import this_machine, workspace
from harness.process.pool import Pool
from harness.source import releases
from harness.tiers import arms, pools
from harness.tiers.learned import Learned

_PACKAGE = "sglang"


def pool(sglang: str, own: Sequence[Home], lanes: int, kind: str) -> Pool:
    """A pool for arms on the tree that `--sglang` names, which imports what those of a kind share already.

    Of a tree that is no release it is not known yet what package it holds: there it begins with nothing. A
    first result is to be there as soon as can be.
    """
    learned = Learned(workspace.default(), this_machine())
    found = pools.pool_for(learned.machine, learned.workspace, lanes, first=True)
    if sglang == "installed" or releases.parse(sglang):
        pools.begin(found, kind, _PACKAGE, learned, own)
    return found


def kind(bug: str, tiers: Sequence[Tier]) -> str:
    """In which kind of environment the first arm will run, as far as what was typed tells."""
    asked = tiers or ((Tier.SERVER,) if catalogue.is_configuration(bug) else (Tier.KERNEL,))
    first = Tier.KERNEL if Tier.KERNEL in asked else asked[0]
    return arms.CPU_SERVER if first is Tier.SERVER else first

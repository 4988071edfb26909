"""What a suite runs on."""

from __future__ import annotations

from dataclasses import dataclass

from harness.golden import GoldenStore
from harness.machine import Machine
from harness.machine.workspace import Workspace
from harness.source.tree import Tree


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a suite runs on: the tree under test, the machine, the goldens and the cache."""

    tree: Tree
    machine: Machine
    goldens: GoldenStore
    workspace: Workspace
    lanes: int = 2

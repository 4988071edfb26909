"""What a suite runs on."""

from __future__ import annotations

from dataclasses import dataclass

from harness.golden import GoldenStore
from harness.homes import Home
from harness.machine import Machine
from harness.source.tree import Tree
from harness.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a suite runs on: the tree under test, the machine, the goldens and the cache.

    `homes` are the folders of reproducers; arms find those here that Python does not find by itself.
    """

    tree: Tree
    machine: Machine
    goldens: GoldenStore
    workspace: Workspace
    homes: tuple[Home, ...] = ()
    lanes: int = 2

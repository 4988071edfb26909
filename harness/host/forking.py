"""Processes of a server start as forks of it, which have imported everything already.

Upstream spawns them, because an accelerator's context does not survive a fork. Without one a fork
saves each process the imports, which are most of a tiny server's start.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable

PATCH = "multiprocessing.set_start_method: fork where spawn is asked for"


def fork_for_spawn(forked: Callable[[], None]) -> str:
    """Fork from now on where spawn is asked for; `forked` is called in each child. Returns the patch."""
    original = multiprocessing.set_start_method

    def set_start_method(method: str | None, force: bool = False) -> None:
        original("fork" if method == "spawn" else method, force)

    multiprocessing.set_start_method = set_start_method
    os.register_at_fork(after_in_child=forked)
    return PATCH

"""Finds out which modules can be imported where some others must not be."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.process import preload


def enter(payload: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Entry of a process that tries: of `modules`, those that import without asking for one of `apart`.

    They are `common`, in the order in which they came. One that starts a thread is none of them.
    """
    modules = payload["modules"]
    failed = dict(preload.load(modules, frozenset(payload["apart"])))
    return {"common": [name for name in modules if name in sys.modules and name not in failed]}

"""Tells an exception of the code under test from a failure of the machinery around it."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType

from harness.errors import BadInput, Unresolved
from harness.observation import Fault
from harness.process.arm import is_about_memory
from harness.tiers.normalise import message


def _innermost(trace: TracebackType | None, root: Path) -> str | None:
    """Qualified name of the deepest function of the tree in this traceback."""
    found = None
    for frame, _ in traceback.walk_tb(trace):
        if frame.f_code.co_filename.startswith(str(root)):
            found = frame.f_code.co_qualname
    return found


def as_fault(error: Exception, root: Path) -> Fault:
    """The fault an exception amounts to; raises Unresolved if no code under test was running.

    Bad parameters and exhausted memory pass through as they are.
    """
    where = _innermost(error.__traceback__, root)
    # Memory is what the arm was given, not what the code did wrong: the process names that ending.
    if isinstance(error, Unresolved | BadInput) or is_about_memory(error):
        raise error
    if where is None:
        raise Unresolved(f"the case itself failed: {type(error).__name__}: {message(str(error))}") from error
    return Fault(kind="exception", message=f"{type(error).__name__} in {where}: {message(str(error))}")

"""Upstream's own debug toggle, which undoes a fix in the running process: `SGLANG_DEBUG_REVERT_PR`."""

from __future__ import annotations

import importlib
import importlib.util
import os

from harness.errors import Unresolved

VARIABLE = "SGLANG_DEBUG_REVERT_PR"
_MODULE = "srt.debug_utils.pr_fix_toggle"


def undo(number: int, package: str) -> tuple[str, ...]:
    """Have upstream undo the fix of that pull request, as its scheduler does when it starts.

    Returns what the attestation says of it. Unresolved where this release has no toggle (they came with
    0.5.13), none for this number, or one that no longer fits its own code.
    """
    try:
        found = importlib.util.find_spec(f"{package}.{_MODULE}")
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise Unresolved("upstream has no debug toggles in this release")
    os.environ[VARIABLE] = str(number)
    try:
        importlib.import_module(found.name).maybe_revert_pr_fix()
    except Exception as error:
        raise Unresolved(f"upstream's toggle for #{number}: {type(error).__name__}: {error}") from error
    return (f"{found.name}: upstream's own toggle for #{number}",)

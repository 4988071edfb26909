"""Who is lent nothing, whatever they say: arms, which would come by processes that nobody holds."""

from __future__ import annotations

import os

from harness.process.descendants import look_up

_ABOVE_ARMS = frozenset({"refault-watchdo", "refault-supervi"})
"""Names of processes as Linux keeps them, in 15 characters."""


def refused(pid: int) -> str | None:
    """Why this process is lent nothing; None for one that may be. What is asked is the kernel."""
    try:
        if _namespaces(pid) != _namespaces(os.getpid()):
            return "it is in namespaces of its own, as arms are"
    except OSError:
        return "it cannot be looked at"
    while pid > 1:
        process = look_up(pid)
        if process is None:
            return "it has ended"
        if process.name in _ABOVE_ARMS:
            return "it is an arm's"
        pid = process.parent
    return None


def _namespaces(pid: int) -> dict[str, str]:
    return {one.name: os.readlink(one.path) for one in os.scandir(f"/proc/{pid}/ns")}

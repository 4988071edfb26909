"""Which line of trees, and which kind of host, a run is of: only runs of the same are compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.source import releases

_SHORT = 8
UNKNOWN = "unknown"
"""The kind of host of a run that does not say it."""


@dataclass(frozen=True)
class Home:
    """What a run is kept under. `line` names the trees and `host` the kind of machine, such as "cpu".

    `hardware` is the processor; it is empty in runs that were kept before it was told.
    """

    line: str
    host: str
    hardware: str


def home(sglang: Mapping[str, Any], machine: Mapping[str, Any]) -> Home:
    """From what a document says of its tree and of its machine."""
    return Home(
        line=line(sglang),
        host=str(machine.get("platform") or UNKNOWN),
        hardware=str(machine.get("hardware") or ""),
    )


def home_of(kept: str, **sglang: str | None) -> Home:
    """The same from a row of the store; `kept` is its machine's JSON."""
    return home(sglang, json.loads(kept))


def line(sglang: Mapping[str, Any]) -> str:
    """A release by its number and content, or a clone by its place and branch.

    A release that was altered where it is installed has another content, and so is another line.
    """
    version, origin, root = (sglang.get(name) for name in ("version", "origin", "root"))
    if origin != "path" and version and releases.parse(version):
        tree = f", tree {str(sglang['tree'])[:_SHORT]}" if sglang.get("tree") else ""
        return f"release {version}{tree}"
    branch = f", branch {sglang['branch']}" if sglang.get("branch") else ""
    # Runs that were kept before their place was have no other name than this.
    return f"clone {root or 'of unknown place'}{branch}"

"""The golden that a case is judged by. Goldens are held to the case: they do not say how strict they are."""

from __future__ import annotations

from datetime import date

from harness.errors import GoldenError
from harness.facts import Tolerance
from harness.golden import Golden, GoldenStore
from harness.machine import Machine
from harness.suite.request import Request
from harness.suite.setting import Setting
from harness.verdict import Result


def golden(request: Request, machine: Machine, store: GoldenStore) -> Golden | None:
    """The golden of a case on this machine, or None where there is none yet.

    Raises GoldenError for one that cannot be read, or that has another tolerance than its case.
    """
    key = request.key(machine)
    found = store.load(key)
    wanted = request.case.recorded
    if found is None or found.tolerance == wanted:
        return found
    path = store.path(key)
    raise GoldenError(
        f"{path}: has the tolerance {_told(found.tolerance)}, and its case has {_told(wanted)}: "
        "restore it, or delete it and run `refault record`"
    )


def _told(tolerance: Tolerance) -> str:
    return f"{tolerance.absolute:g}, relative {tolerance.relative:g} ({tolerance.reason})"


def provenance(setting: Setting, result: Result, command: str) -> dict[str, str]:
    """Where a golden of this result comes from: the machine, the release, and the command that made it."""
    version = result.retired.on if result.retired else setting.tree.version
    versions = {"sglang": version or "unknown", **setting.machine.facts}
    own = {"platform": str(result.platform), "command": command}
    return {**versions, **own, "recorded": date.today().isoformat()}

"""Keeps the assembly of what this suite's emulated arms had to compile, for the next suite."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from harness.process.job import Ended, Environment, Job
from harness.process.limits import Limits
from harness.process.pool import Pool
from harness.process.protection import Protection
from harness.suite.setting import Setting
from harness.tiers.arms import MEMORY_MB, ArmPlan

_ENTRY = "harness.tiers.kernel.assembling:enter"
_SECONDS = 300.0
_log = logging.getLogger(__name__)


class Assemblies:
    """What emulated arms had to compile, by key.

    Arms get to see what is kept only where they cannot write to it: elsewhere one could tell another what to
    execute.
    """

    def __init__(self, setting: Setting, protection: Protection) -> None:
        self._folder = setting.workspace.assembly if protection is Protection.READ_ONLY else None
        self._missing: dict[str, dict[str, Any]] = {}

    def over(self, plan: ArmPlan) -> Path | None:
        """Where this arm finds what was compiled before; None for one that is not to look."""
        return self._folder if plan.platform.emulates else None

    def take(self, futures: Iterable[Future[Ended]]) -> None:
        """Note what these arms had to compile; an arm that came to no end told nothing."""
        for future in futures:
            for source in (future.result().result or {}).get("uncompiled", ()):
                self._missing[str(source)] = source

    def keep(self, pool: Pool, folder: Path, environment: Environment) -> None:
        """Compile it once more, apart from the code under test, and wait for that; a failure is logged."""
        if not self._missing or self._folder is None:
            return
        payload = {"sources": list(self._missing.values()), "kept": str(self._folder)}
        limits = Limits(seconds=_SECONDS, memory_mb=MEMORY_MB["codegen"])
        job = Job(entry=_ENTRY, payload=payload, folder=folder, limits=limits, environment=environment)
        self._missing = {}
        ended = pool.submit(job).result()
        if ended.result is None:
            _log.warning("what arms compiled was not kept, so that it is compiled again (log: %s)", ended.log)

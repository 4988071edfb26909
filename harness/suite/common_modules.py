"""The modules that kinds of arms can share the import of, though they import Triton in ways of their own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from harness.process.job import Environment, Job
from harness.process.limits import Limits
from harness.process.pool import Pool
from harness.process.preload_cache import PreloadCache
from harness.tiers.arms import MEMORY_MB

_ENTRY = "harness.process.common:enter"
_SECONDS = 180.0
WORTH = 50
"""How many new modules are worth a process that sorts them, which imports what is known first."""
_log = logging.getLogger(__name__)


class CommonModules:
    """What was found out before, in two lists: `common`, and what is `apart` since it asks for Triton."""

    def __init__(self, common: PreloadCache, apart: PreloadCache) -> None:
        self._common, self._apart = common, apart

    @cached_property
    def known(self) -> tuple[str, ...]:
        """The common ones, in an order in which they can be imported; empty before any were sorted."""
        return self._common.load()

    def sort(self, modules: Sequence[str], pool: Pool, folder: Path, shared: Environment) -> None:
        """Find out which of these are common, in a process of `shared`, and keep that.

        A failure is logged.
        """
        apart = self._apart.load()
        sorted_before = {*self.known, *apart}
        new = [name for name in modules if name not in sorted_before]
        if len(new) < WORTH:
            return
        payload = {"modules": new, "apart": sorted(shared.arm_only)}
        limits = Limits(seconds=_SECONDS, memory_mb=MEMORY_MB["codegen"])
        job = Job(entry=_ENTRY, payload=payload, folder=folder, limits=limits, environment=shared)
        ended = pool.submit(job).result()
        if ended.result is None:
            _log.warning("what arms have in common was not found out (log: %s)", ended.log)
            return
        common = ended.result["common"]
        self._common.save((*self.known, *common))
        self._apart.save((*apart, *(name for name in new if name not in common)))

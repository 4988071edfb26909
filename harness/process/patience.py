"""How long an arm has been silent, in time that it could have used.

A limit on the clock alone would make a verdict depend on what else the machine does. So the limit is on one
answer, not on all of them, and the time that the arm waited for a processor does not count (`run_delay` in
/proc/PID/schedstat; Documentation/scheduler/sched-stats.rst of the kernel).
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from harness.process import usage


class Patience:
    """Runs out `seconds` after the last answer of an arm."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._silent = 0.0
        self._looked = time.monotonic()
        self._delays: dict[int, float] = {}

    def answered(self) -> None:
        """The arm told something new: it has all its time again."""
        self._silent = 0.0

    def is_over(self, pids: Iterable[int]) -> bool:
        """Whether the arm has had its time; `pids` are its processes. To be asked often: it counts here."""
        now = time.monotonic()
        delays = {pid: usage.run_delay(pid) for pid in pids}
        held = max((delay - self._delays.get(pid, delay) for pid, delay in delays.items()), default=0.0)
        self._silent += max(0.0, now - self._looked - held)
        self._looked, self._delays = now, delays
        return self._silent > self.seconds

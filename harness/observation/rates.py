"""Rates of a flaky fault: how sure they are, and when two arms are surely apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z95 = 1.959963984540054
"""The normal distribution's two-sided 95 % quantile."""


@dataclass(frozen=True)
class Rate:
    """`hits` in `runs`, with Wilson's interval (E. B. Wilson, JASA 22:209, 1927)."""

    hits: int = 0
    runs: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.runs:
            raise ValueError(f"{self.hits} of {self.runs} is no rate")

    def interval(self, z: float = Z95) -> tuple[float, float]:
        """Lowest and highest rate that fits what was seen; everything, before anything was."""
        if not self.runs:
            return 0.0, 1.0
        n, p, zz = self.runs, self.hits / self.runs, z * z
        centre = (p + zz / (2 * n)) / (1 + zz / n)
        half = z / (1 + zz / n) * math.sqrt(p * (1 - p) / n + zz / (4 * n * n))
        # At the ends the formula is exact in the reals, and off by one in the last place here.
        low = 0.0 if self.hits == 0 else max(0.0, centre - half)
        high = 1.0 if self.hits == self.runs else min(1.0, centre + half)
        return low, high

    def to_json(self) -> dict[str, float]:
        """Counts, and the bounds of the interval."""
        low, high = self.interval()
        return {"faults": self.hits, "runs": self.runs, "low": low, "high": high}

    def is_apart_from(self, other: Rate, z: float = Z95) -> bool:
        """Whether no rate fits both."""
        (low, high), (other_low, other_high) = self.interval(z), other.interval(z)
        return low > other_high or other_low > high

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.hits}/{self.runs} ({low:.0%} to {high:.0%})"


@dataclass(frozen=True)
class Rates:
    """The rate of faults in each arm; `settled` where they are surely apart."""

    fixed: Rate = Rate()
    reverted: Rate = Rate()

    @property
    def settled(self) -> bool:
        return self.fixed.is_apart_from(self.reverted)

"""How the tokens of an answer are drawn."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from harness.facts.checks import require


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How requests have their tokens drawn: upstream's sampling parameters, by its names and defaults.

    A token that these rule out in the reference's float64 probabilities is a wrong value. Which of the
    others is drawn is compared with the golden alone.
    """

    seed: int
    """What the noise is drawn from (`sampling_seed`). A server heeds it in deterministic mode alone, so that
    the case has to ask for that."""
    temperature: float = 1.0
    """What logits are divided by."""
    top_k: int = 0
    """How many of the likeliest tokens may be drawn; 0: all."""
    top_p: float = 1.0
    """The share of probability that the likeliest tokens to be drawn make up."""
    min_p: float = 0.0
    """The least probability of a token to be drawn, as a share of the likeliest's. Upstream's deterministic
    mode asserts that there is none, see docs/findings.md."""

    def __post_init__(self) -> None:
        require(self.seed >= 0, "sampling.seed", "is negative")
        require(
            self.temperature > 0, "sampling.temperature", "must be above 0; leave sampling out for greedy"
        )
        require(self.top_k >= 0 and self.top_k != 1, "sampling.top_k", "is 0 or at least 2: 1 is greedy")
        require(0 < self.top_p <= 1, "sampling.top_p", "is no share")
        require(0 <= self.min_p <= 1, "sampling.min_p", "is no share")

    def to_json(self) -> dict[str, Any]:
        """What upstream's endpoints take; only what is not its default, but for the temperature."""
        told = {name: value for name, value in asdict(self).items() if value != _DEFAULTS.get(name)}
        told.pop("seed")
        return {**told, "temperature": self.temperature, "sampling_seed": self.seed}


_DEFAULTS = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}

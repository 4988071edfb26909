"""What one arm may use."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import BadInput


@dataclass(frozen=True)
class Limits:
    """Seconds for one answer (`Patience` says which count), and megabytes (2**20 bytes) beyond what the arm
    inherits.

    Raises BadInput where one of them is not positive.
    """

    seconds: float
    memory_mb: int

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise BadInput(f"a time limit of {self.seconds} s leaves an arm no time: give more than 0")
        if not self.memory_mb > 0:
            raise BadInput(f"a memory limit of {self.memory_mb} MB leaves an arm no memory: give more than 0")

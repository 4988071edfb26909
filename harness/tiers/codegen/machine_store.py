"""One store instruction of an assembly."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MachineStore:
    """One store instruction to global memory: its width, and whether its value was sign-extended."""

    bits: int
    sign_extended: bool

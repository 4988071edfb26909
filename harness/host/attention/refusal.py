"""What a reference does not compute, and says so instead of computing something else."""

from __future__ import annotations

from typing import Any

from harness.errors import StandInMisused


def refuse(function: str, **arguments: Any) -> None:
    """StandInMisused for the first argument that is given: the reference knows none of them."""
    for name, value in arguments.items():
        if value is not None and value is not False:
            raise StandInMisused(
                f"the reference for {function} was given {name}={value!r}, which it does not know"
            )

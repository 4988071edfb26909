"""How this machine keeps arms from writing what later runs believe."""

from __future__ import annotations

import functools
import os
from enum import StrEnum

from harness import foreign
from harness.errors import BadInput
from harness.process import confine

VARIABLE = "REFAULT_PROTECTION"
"""Names one of the ways, for tests and for machines where making folders read-only does harm."""


class Protection(StrEnum):
    """`read-only`: arms cannot write there. `compared`: they can, and it is seen when they have ended."""

    READ_ONLY = "read-only"
    COMPARED = "compared"


def chosen() -> Protection:
    """The way that VARIABLE names, else the best that this machine has. BadInput for a name of none."""
    if not (named := os.environ.get(VARIABLE)):
        return Protection.COMPARED if refused() else Protection.READ_ONLY
    try:
        return Protection(named)
    except ValueError:
        known = " or ".join(Protection)
        raise BadInput(f"{VARIABLE}={foreign.shown(named, 40)}: is no protection: give {known}") from None


@functools.cache
def refused() -> str | None:
    """Why this machine does not let arms have read-only folders; None where it does. Tried once."""
    return confine.refused()

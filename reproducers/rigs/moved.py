"""Functions of upstream that releases keep in different modules."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType

from harness.errors import BadInput


def module(names: Sequence[str]) -> ModuleType:
    """The first of these modules that this release has. BadInput where it has none."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # it is there, and lacks something else
    raise BadInput(f"this release has none of {', '.join(names)}: add the module that it has")

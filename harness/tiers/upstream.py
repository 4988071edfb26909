"""Functions and classes of the code under test by their qualified names, wherever a release keeps them."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

from harness.errors import BadInput
from harness.source import tree
from harness.source.symbols import Site, nearest, sites


def upstream(code: Path, name: str, in_module: str = "") -> Any:
    """What the package in the folder `code` calls `name`, imported. BadInput unless one module has it."""
    site = _site(code, f"{in_module}:{name}" if in_module else name)
    found: Any = importlib.import_module(site.module)
    for part in site.qualname.rpartition(" ")[2].split("."):
        if not hasattr(found, part):
            raise BadInput(
                f"lab.upstream({name!r}): {site.module} has it inside of a function: call that one"
            )
        found = getattr(found, part)
    return found


@functools.lru_cache(maxsize=64)
def _site(code: Path, name: str) -> Site:
    """Where it stands. A tree under test does not change, so each name is looked for once in an arm."""
    under_test = tree.at(code.parent, code.name)
    found = sites(under_test, name)
    modules = dict.fromkeys(site.module for site in found)
    if len(modules) == 1:
        return found[-1]  # of several the last one is what the module hands out
    if found:
        told = f"{', '.join(modules)} have one each: choose with in_module="
    else:
        near = ", ".join(nearest(under_test, name)) or "nothing"
        told = f"the tree has none; nearest: {near}"
    raise BadInput(f"lab.upstream({name!r}): {told}")

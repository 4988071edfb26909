"""Accelerator libraries that upstream imports names from, as inert stand-ins.

Upstream imports these names at the top of a module long before it calls any of them. Here they
import, and a call raises StandInMisused. They are put in place only after the bulk of upstream is
imported, for upstream tests for features by importing these libraries.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, NoReturn

from harness.errors import FactsError, StandInMisused

LIBRARIES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "sgl_kernel": {
        "sgl_kernel": ("merge_state_v2",),
        "sgl_kernel.flash_attn": (
            "flash_attn_varlen_func",
            "flash_attn_with_kvcache",
            "get_scheduler_metadata",
        ),
    },
}
"""Per library its modules, and the names that upstream imports from each."""


def provide(names: Iterable[str]) -> tuple[str, ...]:
    """Stand in for those of the libraries that this machine lacks; returns what was put in place.

    A library that is installed, or that is stood in for already, is left as it is. Raises
    FactsError for a library that has no stand-in.
    """
    return tuple(patch for name in names if (patch := _provide(name)))


def _provide(name: str) -> str | None:
    if name not in LIBRARIES:
        raise FactsError(f"no stand-in for the library {name}: there are {', '.join(sorted(LIBRARIES))}")
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        return None
    for module, attributes in LIBRARIES[name].items():
        _install(module, attributes)
    return f"sys.modules: inert stand-in for {name}"


def _install(name: str, attributes: Iterable[str]) -> None:
    module = ModuleType(name, f"Inert stand-in for {name}.")
    if name in LIBRARIES:
        module.__path__ = []  # a package, so that its submodules are looked for
    for attribute in attributes:
        setattr(module, attribute, _inert(f"{name}.{attribute}"))
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    sys.modules[name] = module


def _inert(name: str) -> Callable[..., NoReturn]:
    def call(*args: Any, **kwargs: Any) -> NoReturn:
        raise StandInMisused(f"{name} was called, but only its name is stood in for on this machine")

    return call

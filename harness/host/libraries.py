"""Accelerator libraries that upstream imports names from, as inert stand-ins.

Upstream imports these names at the top of a module long before it calls any of them. Here they
import, and a call raises StandInMisused. They are put in place only after the bulk of upstream is
imported, for upstream tests for features by importing these libraries.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
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
        "sgl_kernel.kvcacheio": (
            "transfer_kv_all_layer",
            "transfer_kv_all_layer_direct_lf_pf",
            "transfer_kv_all_layer_lf_pf",
            "transfer_kv_all_layer_lf_ph",
            "transfer_kv_all_layer_mla",
            "transfer_kv_all_layer_mla_lf_pf",
            "transfer_kv_direct",
            "transfer_kv_per_layer",
            "transfer_kv_per_layer_direct_pf_lf",
            "transfer_kv_per_layer_mla",
            "transfer_kv_per_layer_mla_pf_lf",
            "transfer_kv_per_layer_pf_lf",
            "transfer_kv_per_layer_ph_lf",
        ),
    },
}
"""Per library its modules, and the names that upstream imports from each."""


def load(modules: Iterable[str], libraries: Sequence[str]) -> tuple[str, ...]:
    """Import upstream's modules, then stand in for the libraries; returns what was put in place.

    Releases up to 0.5.12 ask for a library in the middle of those modules: there it is put in
    place when it is first missed. Raises FactsError for a library that has no stand-in.
    """
    unknown = [name for name in libraries if name not in LIBRARIES]
    if unknown:
        raise FactsError(f"no stand-in for the library {unknown[0]}: there are {', '.join(sorted(LIBRARIES))}")
    patches = [patch for module in modules for patch in _import(module, libraries)]
    return (*patches, *_provide(libraries))


def _import(module: str, libraries: Sequence[str]) -> tuple[str, ...]:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        missed = [name for name in libraries if name == (error.name or "").partition(".")[0]]
        patches = _provide(missed)
        if not patches:
            raise
        importlib.import_module(module)
        return patches
    return ()


def _provide(libraries: Iterable[str]) -> tuple[str, ...]:
    """Stand in for those that are missing; one that is installed, or stood in for, stays as it is."""
    missing = [name for name in libraries if name not in sys.modules and not importlib.util.find_spec(name)]
    for library in missing:
        for module, names in LIBRARIES[library].items():
            _install(module, names)
    return tuple(f"sys.modules: inert stand-in for {library}" for library in missing)


def _install(name: str, names: Iterable[str]) -> None:
    module = inert(name, names)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    else:
        module.__path__ = []  # a package, so that its submodules are looked for
    sys.modules[name] = module


def inert(name: str, names: Iterable[str]) -> ModuleType:
    """A module with functions of these names, which raise StandInMisused when they are called."""
    module = ModuleType(name, f"Inert stand-in for {name}.")
    for function in names:
        setattr(module, function, _function(f"{name}.{function}"))
    return module


def _function(name: str) -> Callable[..., NoReturn]:
    def call(*args: Any, **kwargs: Any) -> NoReturn:
        raise StandInMisused(f"{name} was called, but only its name is stood in for on this machine")

    return call

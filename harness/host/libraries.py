"""Accelerator libraries that upstream imports names from, as inert stand-ins.

Upstream imports these names at the top of a module long before it calls any of them. Here they
import, and a call raises StandInMisused. They are put in place only after the bulk of upstream is
imported, for upstream tests for features by importing these libraries.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence

from harness.errors import FactsError
from harness.host.stand_ins import inert_module

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

    A library that is installed stays as it is. Raises FactsError for one that has no stand-in.
    """
    unknown = [name for name in libraries if name not in LIBRARIES]
    if unknown:
        known = ", ".join(sorted(LIBRARIES))
        raise FactsError(f"no stand-in for the library {unknown[0]}: there are {known}")
    for module in modules:
        importlib.import_module(module)
    missing = [name for name in libraries if name not in sys.modules and not importlib.util.find_spec(name)]
    for library in missing:
        for module, names in LIBRARIES[library].items():
            _install(module, names)
    return tuple(f"sys.modules: inert stand-in for {library}" for library in missing)


def there(modules: Iterable[str]) -> tuple[str, ...]:
    """Those of upstream's modules that this release has, found in the packages that they are in."""
    return tuple(module for module in modules if _is_there(module))


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError as error:
        # A package on the way, or this in no package; another module is missing for a reason of its own.
        if error.name and f"{module}.".startswith(f"{error.name}."):
            return False
        raise


def _install(name: str, names: Iterable[str]) -> None:
    module = inert_module(name, names)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    else:
        module.__path__ = []  # a package, so that its submodules are looked for
    sys.modules[name] = module

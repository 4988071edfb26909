"""CPU operators of upstream's kernel library, lent by name to the modules that import them.

Since 0.5.16 upstream imports these names at the top of a module wherever it takes its platform for
a CPU. They are lent only while that module is being imported, for upstream tests for features by
importing the library; a call of one raises StandInMisused.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from harness.host.standin import inert_module

LIBRARY = "sgl_kernel"
LENT: Mapping[str, tuple[str, ...]] = {
    "sglang.kernels.ops.kvcache.cache_move": ("copy_all_layer_kv_cache_cpu",),
    "sglang.kernels.ops.speculative.cache_locs": (
        "assign_draft_cache_locs_contiguous_cpu",
        "assign_extend_cache_locs_cpu",
    ),
    "sglang.kernels.ops.speculative.eagle": ("fill_accept_out_cache_loc_cpu", "fill_bonus_tokens_cpu"),
    "sglang.kernels.ops.speculative.multi_layer_eagle": ("rotate_input_ids_cpu",),
    "sglang.kernels.ops.speculative.spec_tree": ("build_tree_kernel_efficient_cpu", "verify_tree_greedy_cpu"),
    "sglang.srt.mem_cache.allocation": ("assign_req_to_token_pool_cpu",),
    "sglang.srt.speculative.eagle_utils": ("build_tree_kernel_efficient_cpu", "verify_tree_greedy_cpu"),
    "sglang.srt.speculative.eagle_worker_common": ("assign_draft_cache_locs_contiguous_cpu",),
    "sglang.srt.speculative.spec_utils": ("assign_extend_cache_locs_cpu",),
}
"""Per module of upstream the operators that it imports from the library."""

PATCH = f"sys.modules: inert CPU operators of {LIBRARY} while the modules that name them are imported"


def install() -> tuple[str, ...]:
    """Lend from now on; returns what was put in place, nothing where the library is installed."""
    if LIBRARY in sys.modules or importlib.util.find_spec(LIBRARY) is not None:
        return ()
    sys.meta_path.insert(0, _Finder())
    return (PATCH,)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in LENT:
            return None
        # Whoever else wants a hand in this import, such as the attestation, keeps it.
        spec = _found_by_others(self, fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Lender(spec.loader)
        return spec


def _found_by_others(
    me: MetaPathFinder, fullname: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    for finder in list(sys.meta_path):
        if finder is not me and (spec := finder.find_spec(fullname, path, target)) is not None:
            return spec
    return None


class _Lender(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader  # who asks the module for its source is to find it
        with _lent(LENT[module.__name__]):
            self._loader.exec_module(module)


@contextmanager
def _lent(names: Sequence[str]) -> Iterator[None]:
    # Nested imports lend too, and a case may stand in for the whole library: each gets its own back.
    before = sys.modules.get(LIBRARY)
    sys.modules[LIBRARY] = inert_module(LIBRARY, names)
    try:
        yield
    finally:
        del sys.modules[LIBRARY]
        if before is not None:
            sys.modules[LIBRARY] = before

"""Stand-ins for names of accelerator libraries, while the upstream modules that import them are imported.

Some modules of upstream import such names at their top and never use them here: the CPU operators
of its kernel library, since 0.5.16 wherever it takes its platform for a CPU, and aiter's functions.
The stand-ins are there only while such a module is being imported, for upstream tests for features by
importing the libraries; a call of one raises StandInMisused.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

from harness import imports
from harness.host.libraries import LIBRARIES
from harness.host.stand_ins import inert_module

Names = Mapping[str, Sequence[str]]
"""Per module of a library the names that are imported from it."""

_KERNEL, _TRANSFERS, _AITER = "sgl_kernel", "sgl_kernel.kvcacheio", "aiter"
_TREE: Names = {_KERNEL: ("build_tree_kernel_efficient_cpu", "verify_tree_greedy_cpu")}

STAND_INS: Mapping[str, Names] = {
    "sglang.kernels.ops.attention.unified_attention_3d_mtp": {
        "aiter.ops.triton.utils._triton.kernel_repr": ("make_kernel_repr",),
        "aiter.ops.triton.utils.types": ("e4m3_dtype",),
    },
    "sglang.kernels.ops.kvcache.cache_move": {_KERNEL: ("copy_all_layer_kv_cache_cpu",)},
    "sglang.kernels.ops.speculative.cache_locs": {
        _KERNEL: ("assign_draft_cache_locs_contiguous_cpu", "assign_extend_cache_locs_cpu")
    },
    "sglang.kernels.ops.speculative.eagle": {
        _KERNEL: ("fill_accept_out_cache_loc_cpu", "fill_bonus_tokens_cpu")
    },
    "sglang.kernels.ops.speculative.multi_layer_eagle": {_KERNEL: ("rotate_input_ids_cpu",)},
    "sglang.kernels.ops.speculative.spec_tree": _TREE,
    "sglang.srt.layers.attention.aiter_backend": {
        _AITER: (
            "flash_attn_varlen_fp8_pertensor_func",
            "flash_attn_varlen_func",
            "get_mla_metadata_info_v1",
            "get_mla_metadata_v1",
            "get_ps_metadata_info_v1",
            "get_ps_metadata_v1",
            "mha_batch_prefill_func",
            "mla_prefill_ps_asm_fwd",
            "mla_reduce_v1",
            "paged_attention_ragged",
        ),
        "aiter.mla": ("mla_decode_fwd", "mla_prefill_fwd"),
        "aiter.ops.triton.attention.unified_attention": ("unified_attention",),
    },
    "sglang.srt.mem_cache.allocation": {_KERNEL: ("assign_req_to_token_pool_cpu",)},
    "sglang.srt.mem_cache.memory_pool_host": {_TRANSFERS: LIBRARIES[_KERNEL][_TRANSFERS]},
    "sglang.srt.speculative.eagle_utils": _TREE,
    "sglang.srt.speculative.eagle_worker_common": {_KERNEL: ("assign_draft_cache_locs_contiguous_cpu",)},
    "sglang.srt.speculative.spec_utils": {_KERNEL: ("assign_extend_cache_locs_cpu",)},
}
"""Per module of upstream what it imports."""


def _plain_name(kernel: str, constants: Sequence[str]) -> Callable[[Any], str]:
    """aiter's maker of the names that kernels have in profiles, without the constants."""
    return lambda specialization: kernel


_USED_AT_IMPORT: Mapping[str, Any] = {
    "aiter.ops.triton.utils._triton.kernel_repr.make_kernel_repr": _plain_name,
    "aiter.ops.triton.utils.types.e4m3_dtype": torch.float8_e4m3fn,  # what aiter takes on gfx950
}
"""Names that upstream uses while it is being imported, so that nothing inert would do."""


def install() -> tuple[str, ...]:
    """Put stand-ins in place, from now on, of what this machine lacks; returns what was put in place."""
    missing = [
        name for name in (_AITER, _KERNEL) if name not in sys.modules and not importlib.util.find_spec(name)
    ]
    if missing:
        imports.around(lambda module: _around(module, missing))
    return tuple(
        f"sys.modules: inert names of {name} while the modules that import them are" for name in missing
    )


def _around(module: str, libraries: Sequence[str]) -> imports.Around | None:
    """What holds while `module` is executed, if it imports names of these libraries."""
    wanted = {home: names for home, names in STAND_INS.get(module, {}).items() if _root(home) in libraries}
    return (lambda _: in_place(_modules(wanted))) if wanted else None


@contextmanager
def in_place(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """These modules under their names, for as long as the block runs."""
    # Nested imports get stand-ins too, and a case may stand in for a whole library: each gets its own back.
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module


def _modules(wanted: Names) -> dict[str, ModuleType]:
    """The stand-ins as modules, with the packages above them."""
    made: dict[str, ModuleType] = {}
    for name in dict.fromkeys(part for home in wanted for part in _with_parents(home)):
        made[name] = inert_module(name, wanted.get(name, ()))
        made[name].__path__ = []
        for attribute in wanted.get(name, ()):
            if (known := _USED_AT_IMPORT.get(f"{name}.{attribute}")) is not None:
                setattr(made[name], attribute, known)
    return made


def _with_parents(name: str) -> Iterable[str]:
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _root(name: str) -> str:
    return name.partition(".")[0]

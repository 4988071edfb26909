"""What kernels are run with by themselves: the function of a name, and dtypes by the names of pointers."""

from __future__ import annotations

import importlib
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from triton.runtime.interpreter import InterpretedFunction
from triton.runtime.jit import JITFunction

from harness.source.kernels import Kernel

_DTYPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"req_to_token(_ptr|_pool_ptr)?|token_pool", ("i32",)),  # ReqToTokenPool
    (r"req_pool_ind\w*|out_cache_loc\w*|last_loc\w*", ("i64",)),  # ScheduleBatch, the allocators
    (r"loc_ptr|out_indices|free_page_ptr|prefix_tensors", ("i64",)),  # slots, pages, addresses of tensors
    (r"(seq|prefix|pre|extend|start|end)_(lens?|offset)\w*", ("i64", "i32")),  # int32 in EAGLE's allocation
    (r"paged?_kernel_lens\w*|kv_start_idx|positions(_ptr)?", ("i64", "i32")),  # made of those
    (r"\w*indptr\w*|\w*page_table\w*|block_tables?\w*", ("i32",)),  # the attention backends
    (r"\w*kv_indices\w*", ("i64", "i32")),  # int64 in the Triton backend, int32 in aiter and flashinfer
    (r"\w*mask(_ptr)?", ("i8",)),  # bool
    (
        r"[kvqxy](_\w+)?_ptr|cache_[kv]\w*|\w*(buffer|scale|state|logit|hidden|embed|weight|cos|sin)\w*",
        ("fp16",),
    ),
)
"""The dtypes with which upstream makes the tensors that have such names (0.5.15); data is no integer."""
_EITHER = ("i64", "i32")


def combinations(pointers: Sequence[str]) -> Iterator[dict[str, str]]:
    """The dtypes to try for these pointers: those of their names, or either width of integer."""
    for chosen in itertools.product(*(known(name) or _EITHER for name in pointers)):
        yield dict(zip(pointers, chosen, strict=True))


def known(name: str) -> tuple[str, ...]:
    """The dtypes with which upstream makes what has this name; none where that is not known."""
    return next((dtypes for pattern, dtypes in _DTYPES if re.fullmatch(pattern, name)), ())


def function_of(kernel: Kernel) -> Any:
    """The kernel itself, to be compiled or interpreted."""
    function = getattr(importlib.import_module(kernel.module), kernel.name)
    while not isinstance(function, JITFunction | InterpretedFunction):
        function = function.fn  # an autotuner or a heuristic around the kernel
    return function

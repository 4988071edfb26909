"""What a device refuses while a stream is captured: whatever the host would have to wait for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from harness.memory.graphs import stage
from harness.memory.graphs.host import is_on_host
from harness.memory.methods import replaced

SYNCHRONISING = frozenset(
    {"_local_scalar_dense", "item", "is_nonzero", "equal", "bincount", "masked_select"}
    | {"nonzero", "nonzero_numpy", "argwhere", "_unique", "_unique2", "unique_dim"}
    | {"unique_consecutive", "unique_dim_consecutive"}
)
"""Operations of torch's `aten` whose result, or its shape, is a value in a device's memory."""
_MASKED = frozenset({"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"})
"""Those that have to count a mask first."""
_METHODS = ("tolist", "numpy", "__array__", "cpu")
"""Methods that hand memory to the host without any operation of their own here."""
PATCHES = tuple(f"torch.Tensor.{name}" for name in _METHODS)


def check(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """CaptureError where an operation would make the host wait for a device."""
    if func.namespace == "aten" and _waits(func, args, kwargs):
        stage.refuse(str(func))


def _waits(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    name = func.overloadpacket.__name__
    if name in _MASKED:
        return any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1])
    if name == "repeat_interleave":
        return func._overloadname != "self_int" and kwargs.get("output_size") is None
    return name in SYNCHRONISING


@contextmanager
def refusing() -> Iterator[None]:
    """Refuse the methods that read memory past torch's dispatcher, for as long as the block runs."""
    with ExitStack() as stack:
        for name in _METHODS:
            stack.enter_context(replaced(name, _guarded(name, getattr(torch.Tensor, name))))
        yield


def _guarded(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def guarded(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if not is_on_host(self):
            stage.decline(f"Tensor.{name}")
        return original(self, *args, **kwargs)

    return guarded

"""Which runners upstream takes for the graphs of an EAGLE draft: it asks for the device's name.

From 0.5.16 on it captures none where it takes its platform for a CPU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from harness.imports import Noted

WORKERS = ("srt.speculative.eagle_worker_v2", "srt.speculative.eagle_worker")
"""The worker whose steps overlap, and the one before it."""
_CLASSES = ("EagleDraftWorker", "EAGLEWorker")
_METHODS = ("_capture_cuda_graphs", "init_cuda_graphs")
_RUNNER = "EAGLEDraftCudaGraphRunner"
_IS_CPU = "_is_cpu"
_EXTENDED = ("TritonAttnBackend", "FlashInferAttnBackend")
"""The back ends whose draft-extend step upstream captures where a switch of the module's is on."""


def as_on_cuda(module: Any, noted: Noted) -> None:
    """The device is called cuda for as long as the draft's graphs are captured."""
    owner, name = _capturing(module)
    if owner is None or not hasattr(module, _RUNNER):
        return
    setattr(owner, name, _named_cuda(module, getattr(owner, name)))
    noted(f"{module.__name__}.{owner.__name__}.{name}: on a device called cuda")


def _capturing(module: Any) -> tuple[Any, str]:
    for owner in filter(None, (getattr(module, name, None) for name in _CLASSES)):
        for name in _METHODS:
            if name in vars(owner):
                return owner, name
    return None, ""


def _named_cuda(module: Any, capture: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(capture)
    def wrapped(self: Any) -> Any:
        target = getattr(self, "target_worker", self)
        with _set(target, "device", "cuda"), _no_cpu(module), _extending(module, self):
            return capture(self)

    return wrapped


@contextmanager
def _no_cpu(module: Any) -> Iterator[None]:
    """The module's own word for its platform, where it has one, is another meanwhile."""
    if not hasattr(module, _IS_CPU):
        yield
        return
    with _set(module, _IS_CPU, False):
        yield


@contextmanager
def _extending(module: Any, worker: Any) -> Iterator[None]:
    """The draft-extend step is captured for the back ends for which every device captures it."""
    switch = next((name for name in ("_is_xpu", "_is_cuda") if hasattr(module, name)), None)
    kinds = tuple(getattr(module, name) for name in _EXTENDED if hasattr(module, name))
    if switch is None:
        yield
        return
    with _set(module, switch, isinstance(worker.draft_extend_attn_backend, kinds)):
        yield


@contextmanager
def _set(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)

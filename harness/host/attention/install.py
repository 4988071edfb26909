"""Puts the references where upstream's attention back ends look for the libraries."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from harness import imports
from harness.errors import FactsError
from harness.host import import_stand_ins
from harness.host.attention import aiter, fa3
from harness.host.attention.tables import Told
from harness.imports import Noted
from harness.observation.records import EMULATED

Native = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Makes a function one node of a graph."""
_BACKENDS = "srt.layers.attention"
_HOPPER = (9, 0)
"""The capability of the GPUs that FA3 is for: upstream asks before it takes that back end."""


def stand_in(library: str, package: str, native: Native, told: Told, noted: Noted) -> None:
    """Let `package` compute this library's attention ("aiter", "fa3") by references from now on.

    Raises FactsError for a library that has none.
    """
    known: Mapping[str, Callable[..., None]] = {"aiter": _aiter, "fa3": _fa3}
    if library not in known:
        raise FactsError(f"no reference for the attention of {library}: there are {', '.join(sorted(known))}")
    noted(f"{EMULATED}{library}'s attention, computed by references in torch")
    known[library](package, native, told, noted)


def _aiter(package: str, native: Native, told: Told, noted: Noted) -> None:
    functions = _natives(aiter.Aiter(told), aiter.NAMES, native)

    def put(module: Any) -> None:
        _put(module, functions, noted)

    imports.after({f"{package}.{_BACKENDS}.aiter_backend": put})


def _fa3(package: str, native: Native, told: Told, noted: Noted) -> None:
    reference = fa3.Fa3(told)
    functions = _natives(reference, fa3.NAMES, native)
    library = _library(functions, native(reference.merge_state_v2))
    home = f"{package}.{_BACKENDS}.flashattention_backend"

    def put(module: Any) -> None:
        _put(module, functions, noted)
        module.FlashAttentionBackend.__init__ = _made_with(library, module.FlashAttentionBackend.__init__)
        noted(f"{home}.FlashAttentionBackend: made with references for sgl_kernel.flash_attn")

    def capable(module: Any) -> None:
        module.get_device_capability = lambda *asked: _HOPPER
        noted(f"{module.__name__}.get_device_capability: {_HOPPER}, which FA3 is for")

    imports.around(lambda name: (lambda module: import_stand_ins.in_place(library)) if name == home else None)
    imports.after({home: put, f"{package}.{_BACKENDS}.attention_registry": capable})


def _natives(owner: Any, names: tuple[str, ...], native: Native) -> dict[str, Callable[..., Any]]:
    return {name: native(getattr(owner, name)) for name in names}


def _put(module: Any, functions: Mapping[str, Callable[..., Any]], noted: Noted) -> None:
    for name, function in functions.items():
        setattr(module, name, function)
    noted(f"{module.__name__}.{{{','.join(sorted(functions))}}}: references, one node of a graph each")


def _library(functions: Mapping[str, Callable[..., Any]], merge: Callable[..., Any]) -> dict[str, ModuleType]:
    """The kernel library as FA3's back end imports it, at its top and when it is made.

    It is lent for that long alone: upstream tests for features by importing the library.
    """
    library, attention = ModuleType("sgl_kernel"), ModuleType("sgl_kernel.flash_attn")
    vars(attention).update(functions, get_scheduler_metadata=None)  # upstream then plans nothing ahead
    vars(library).update(__path__=[], flash_attn=attention, merge_state_v2=merge)
    return {one.__name__: one for one in (library, attention)}


def _made_with(library: Mapping[str, ModuleType], make: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(make)
    def made(self: Any, *args: Any, **named: Any) -> None:
        with import_stand_ins.in_place(library):
            make(self, *args, **named)

    return made

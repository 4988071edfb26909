"""Triton's interpreter without the work that it repeats.

Before each launch it exchanges the builtins of `triton.language` for its own, and does the same
again at each call of a device function within the launch (3.6.0: `InterpretedFunction.__call__`),
where they are exchanged already. In a server's attention kernels that was half of all the time.

Each operation of a kernel makes a tensor, whose type's facts are worked out anew each time. They depend on
nothing but a shape and the name of an element's type, so that here they are worked out once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import triton.language as tl
from triton.runtime import interpreter

EXCHANGED_ONCE = "triton.runtime.interpreter._patch_lang: not again where it is in force"
SHAPES = "triton.language.core.tensor.__init__, block_type.__init__: remember what a shape comes to"
_MISSING = object()
ELEMENTS = "triton.runtime.interpreter._get_np_dtype: remembers what a type's name comes to"


def without_repetition() -> tuple[str, ...]:
    """Have this process's interpreter do its exchange and work out its types once; returns the patches."""
    return exchange_once(), remember_shapes(), remember_elements()


def exchange_once() -> str:
    """Skip the exchange wherever a launch that is under way has made it; returns the patch.

    What an exchange comes to is remembered as well: to look through the language takes longer than a small
    kernel.
    """
    original = _remembered(interpreter._patch_lang)
    languages: dict[Any, list[Any]] = {}

    def _patch_lang(fn: Any) -> Any:
        if fn not in languages:
            languages[fn] = [lang for lang in fn.__globals__.values() if _is_language(lang)]
        if languages[fn] and all(map(_is_exchanged, languages[fn])):
            return interpreter._LangPatchScope()
        return original(fn, languages[fn])

    interpreter._patch_lang = _patch_lang
    return EXCHANGED_ONCE


class _Told(interpreter._LangPatchScope):  # type: ignore[misc]
    """An exchange that keeps what it puts where, and what was there: (owner, name, before, value)."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, str, Any, Any]] = []

    def set_attr(self, obj: Any, name: str, value: Any) -> None:
        self.told.append((obj, name, getattr(obj, name, _MISSING), value))
        super().set_attr(obj, name, value)


def _remembered(original: Callable[[Any], Any]) -> Callable[[Any, list[Any]], Any]:
    """The exchange, made again from what it came to the last time wherever all is as it was then."""
    known: dict[tuple[Any, ...], list[tuple[Any, str, Any, Any]]] = {}

    def exchange(fn: Any, languages: list[Any]) -> Any:
        sizes = (len(vars(one)) for one in (tl, tl.core, tl.math, tl.tensor))
        # Whoever watches launches has tensors patched in another way.
        key = *map(id, languages), *sizes, interpreter._patch_lang_tensor
        if key in known and (scope := _again(known[key])) is not None:
            return scope
        plain, interpreter._LangPatchScope = interpreter._LangPatchScope, _Told
        try:
            scope = original(fn)
        finally:
            interpreter._LangPatchScope = plain
        if isinstance(scope, _Told):  # one that Triton makes itself
            known[key] = scope.told
        return scope

    return exchange


def _again(told: list[tuple[Any, str, Any, Any]]) -> Any:
    """The same exchange; None, and nothing exchanged, where something else stands in a place by now."""
    scope = interpreter._LangPatchScope()
    for owner, name, before, value in told:
        if getattr(owner, name, _MISSING) is not before:
            scope.restore()
            return None
        scope.set_attr(owner, name, value)
    return scope


def _is_language(value: Any) -> bool:
    return inspect.ismodule(value) and value in (tl, tl.core)


def _is_exchanged(language: Any) -> bool:
    """A module's builtins and its tensor's are exchanged together, and set back together."""
    return not (tl.core.is_builtin(language.load) or tl.core.is_builtin(language.tensor.__add__))


def remember_shapes() -> str:
    """Make tensors and block types of a shape that was seen before from what it came to; returns the patch.

    A shape that Triton refuses is never remembered: it is refused again.
    """
    tl.core.tensor.__init__ = _tensors(tl.core.tensor.__init__)
    tl.core.block_type.__init__ = _block_types(tl.core.block_type.__init__)
    return SHAPES


def _tensors(original: Callable[..., None]) -> Callable[..., None]:
    known: dict[tuple[int, ...], tuple[Any, Any]] = {}

    def __init__(self: Any, handle: Any, type: Any) -> None:
        shape = tuple(type.shape) if type.is_block() else ()
        if shape not in known:
            original(self, handle, type)
            known[shape] = self.shape, self.numel
            return
        self.handle, self.type, self.dtype = handle, type, type.scalar
        self.shape, self.numel = known[shape]

    return __init__


def _block_types(original: Callable[..., None]) -> Callable[..., None]:
    known: dict[tuple[str, tuple[Any, ...]], tuple[Any, ...]] = {}

    def __init__(self: Any, element_ty: Any, shape: Any) -> None:
        lengths = tuple([n.value if isinstance(n, tl.constexpr) else n for n in shape])
        # 2.0 and True equal whole numbers, and Triton tells them from these.
        if set(map(type, lengths)) != {int}:
            original(self, element_ty, shape)
            return
        key = element_ty.name, lengths
        if key not in known:
            original(self, element_ty, shape)
            known[key] = self.shape, self.numel, self.name
            return
        self.element_ty = element_ty
        self.shape, self.numel, self.name = known[key]

    return __init__


def remember_elements() -> str:
    """Have numpy's type for one of Triton's looked up by its name; returns the patch."""
    original: Callable[[Any], Any] = interpreter._get_np_dtype
    known: dict[str, Any] = {}

    def _get_np_dtype(tt_dtype: Any) -> Any:
        name = tt_dtype.name
        if name not in known:
            known[name] = original(tt_dtype)
        return known[name]

    interpreter._get_np_dtype = _get_np_dtype
    return ELEMENTS

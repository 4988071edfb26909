"""Triton's interpreter without the work that it repeats.

Before each launch it exchanges the builtins of `triton.language` for its own, and does the same
again at each call of a device function within the launch (3.6.0: `InterpretedFunction.__call__`),
where they are exchanged already. In a server's attention kernels that was half of all the time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import triton.language as tl
from triton.runtime import interpreter

PATCH = "triton.runtime.interpreter._patch_lang: not again where it is in force"


def exchange_once() -> str:
    """Skip the exchange wherever a launch that is under way has made it; returns the patch."""
    original: Callable[[Any], Any] = interpreter._patch_lang
    languages: dict[Any, list[Any]] = {}

    def _patch_lang(fn: Any) -> Any:
        if fn not in languages:
            languages[fn] = [lang for lang in fn.__globals__.values() if _is_language(lang)]
        if languages[fn] and all(map(_is_exchanged, languages[fn])):
            return interpreter._LangPatchScope()
        return original(fn)

    interpreter._patch_lang = _patch_lang
    return PATCH


def _is_language(value: Any) -> bool:
    return inspect.ismodule(value) and value in (tl, tl.core)


def _is_exchanged(language: Any) -> bool:
    """A module's builtins and its tensor's are exchanged together, and set back together."""
    return not (tl.core.is_builtin(language.load) or tl.core.is_builtin(language.tensor.__add__))

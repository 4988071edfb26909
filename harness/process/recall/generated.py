"""The methods of dataclasses, which come to be as text: compiled once for each text."""

from __future__ import annotations

import dataclasses
import marshal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from harness.process.recall.kept import Kept


@contextmanager
def recalled(kept: Kept) -> Iterator[None]:
    """Dataclasses that are made in the block have code from `kept`, and add to it."""

    def execute(source: str, variables: dict[str, Any], own: dict[str, Any]) -> None:
        of = key(source)
        if (code := kept.get(of)) is None:
            kept.put(of, code := _compiled(of))
        exec(marshal.loads(code), variables, own)

    # A name of the module goes before the built-in one, and nobody else's `exec` is touched.
    vars(dataclasses)["exec"] = execute
    try:
        yield
    finally:
        del vars(dataclasses)["exec"]


def compile_all(texts: Iterable[bytes], kept: Kept) -> None:
    """Keep the code of texts that another process was given; what is no code is left out."""
    for of in texts:
        if kept.get(of) is None:
            with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                kept.put(of, _compiled(of))


def key(source: str) -> bytes:
    """What the code of a text is kept by."""
    return source.encode("utf-8", "surrogatepass")


def text(of: bytes) -> str:
    """The text whose code is kept by that."""
    return of.decode("utf-8", "surrogatepass")


def _compiled(of: bytes) -> bytes:
    """As `exec` compiles what dataclasses give it, which ask for no future feature."""
    return marshal.dumps(compile(text(of), "<string>", "exec", dont_inherit=True))

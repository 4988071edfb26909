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

    def execute(text: str, variables: dict[str, Any], own: dict[str, Any]) -> None:
        of = text.encode("utf-8", "surrogatepass")
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
    for text in texts:
        if kept.get(text) is None:
            with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                kept.put(text, _compiled(text))


def _compiled(text: bytes) -> bytes:
    """As `exec` compiles what dataclasses give it, which ask for no future feature."""
    source = text.decode("utf-8", "surrogatepass")
    return marshal.dumps(compile(source, "<string>", "exec", dont_inherit=True))

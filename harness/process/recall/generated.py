"""The methods of dataclasses, which come to be as text: compiled once for each text."""

from __future__ import annotations

import dataclasses
import marshal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.process.recall.kept import Kept


@contextmanager
def recalled(kept: Kept) -> Iterator[None]:
    """Dataclasses that are made in the block have code from `kept`, and add to it."""

    def execute(text: str, variables: dict[str, Any], own: dict[str, Any]) -> None:
        of = text.encode("utf-8", "surrogatepass")
        if (code := kept.get(of)) is None:
            # As `exec` compiles what the module gives it, which asks for no future feature.
            code = marshal.dumps(compile(text, "<string>", "exec", dont_inherit=True))
            kept.put(of, code)
        exec(marshal.loads(code), variables, own)

    # A name of the module goes before the built-in one, and nobody else's `exec` is touched.
    vars(dataclasses)["exec"] = execute
    try:
        yield
    finally:
        del vars(dataclasses)["exec"]

"""Which rigs set up what a draft will need: told by what they import, and by the names that they use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.draft.functions import Edited


def fitting(folder: Path, functions: Iterable[Edited]) -> tuple[str, ...]:
    """The rigs below a folder that name a function's module, or its class; as they are imported."""
    wanted = [re.compile(pattern) for one in functions for pattern in _patterns(one)]
    found: list[str] = []
    for file in sorted(folder.rglob("*.py")):
        text = file.read_text(encoding="utf-8", errors="replace")
        if any(pattern.search(text) for pattern in wanted):
            found.append(_module(folder, file))
    return tuple(found)


def _patterns(function: Edited) -> Iterator[str]:
    yield rf"\b{re.escape(function.module)}\b(?!\.)"
    owner = function.qualname.rpartition(".")[0]
    if owner:
        yield rf"\b{re.escape(owner)}\b"


def _module(folder: Path, file: Path) -> str:
    parts = [folder.parent.name, folder.name, *file.relative_to(folder).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

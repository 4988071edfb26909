"""Which of upstream's model modules a server can leave out, by the switch upstream has for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness import foreign
from harness.errors import BadInput

VARIABLE = "SGLANG_DISABLED_MODEL_ARCHS"
"""Upstream's own, comma-separated names of modules; 0.5.10 to 0.5.23 have it."""


def only(models: Iterable[Path], package: Path) -> Mapping[str, str]:
    """The variable with every model module of the package but those that define these models' classes.

    `models` are folders with a `config.json`; where none names an architecture, nothing is left out. A
    server imports all modules otherwise, some two hundred, to find the one it serves. What a module
    that is kept imports itself is imported all the same.
    """
    configs = (json.loads((folder / "config.json").read_text(encoding="utf-8")) for folder in models)
    names = [name for config in configs for name in config.get("architectures") or ()]
    if not names:
        return {}
    wanted = re.compile(rf"^class ({'|'.join(map(re.escape, names))})\b", re.MULTILINE)
    modules = sorted((package / "srt" / "models").glob("*.py"))
    left_out = [path.stem for path in modules if not wanted.search(_text(path))]
    return {VARIABLE: ",".join(left_out)}


def _text(path: Path) -> str:
    """A module's text; none of one that is no file, which nobody can import."""
    try:
        return foreign.read(path, largest=foreign.LARGEST_SOURCE).decode("utf-8", errors="replace")
    except BadInput:
        return ""

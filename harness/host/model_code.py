"""Which of upstream's model modules a server can leave out, by the switch upstream has for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

VARIABLE = "SGLANG_DISABLED_MODEL_ARCHS"
"""Upstream's own, comma-separated names of modules; 0.5.10 to 0.5.23 have it."""


def only(architectures: Iterable[str], package: Path) -> Mapping[str, str]:
    """The variable with every model module of the package but those that define these architectures.

    A server imports all of them otherwise, some two hundred, to find the one it serves. What a module
    that is kept imports itself is imported all the same.
    """
    wanted = re.compile(rf"^class ({'|'.join(map(re.escape, architectures))})\b", re.MULTILINE)
    modules = sorted((package / "srt" / "models").glob("*.py"))
    return {VARIABLE: ",".join(path.stem for path in modules if not wanted.search(path.read_text()))}

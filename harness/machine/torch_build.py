"""What the installed torch was built for, read from its files: importing it would cost seconds."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

_BUILT_FOR = r"^{name}\b.*= ['\"]([^'\"]+)['\"]"


def cuda() -> str | None:
    """The version of CUDA, such as 13.0; None for a build without, and without torch."""
    return _built_for("cuda")


def hip() -> str | None:
    """The version of HIP, such as 7.0.51831; None for a build without, and without torch."""
    return _built_for("hip")


def _built_for(name: str) -> str | None:
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.submodule_search_locations:
        return None
    file = Path(spec.submodule_search_locations[0]) / "version.py"
    told = file.read_text(encoding="utf-8") if file.is_file() else ""
    found = re.search(_BUILT_FOR.format(name=name), told, re.MULTILINE)
    return found[1] if found else None

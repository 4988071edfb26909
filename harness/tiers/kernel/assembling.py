"""Compiles for the next runs what arms had to compile, in a process that has none of the code under test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.host.assembly import Kept, Source, make


def enter(payload: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Entry of the process: what `sources` tell of is compiled and kept in `kept`, unless it is there."""
    os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp(prefix="triton-")
    sources = (Source(**source) for source in payload["sources"])
    return {"kept": make(sources, Kept(Path(payload["kept"])))}

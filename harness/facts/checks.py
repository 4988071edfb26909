"""How a record checks itself: a mistake names the module that made it and the field."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from harness.errors import FactsError

FAULT_KINDS = frozenset(
    {
        "oob-write", "oob-read", "index-range", "short-buffer", "wrong-value", "nan", "exception",
        "device-fault", "signature", "crash", "hang", "leak",
    }
)  # fmt: skip
ENDING_KINDS = frozenset({"exception", "crash", "hang", "device-fault"})
"""Faults that end a run: whatever came after them was not seen, so they bind in every case."""

Params = Mapping[str, Any]


def require(holds: object, field_name: str, problem: str) -> None:
    """FactsError, naming the author and the field, unless it holds."""
    if not holds:
        raise FactsError(f"{author()}: {field_name}: {problem}")


def author() -> str:
    """The module that is constructing the record: the first frame outside this package and dataclasses."""
    frame = sys._getframe(1)
    while frame.f_back and _is_ours(frame.f_globals.get("__name__")):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "?"))


def _is_ours(module: str | None) -> bool:
    return module in (None, "dataclasses") or module.startswith(__package__)

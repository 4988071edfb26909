"""The text of a golden, laid out so that its differences can be read."""

from __future__ import annotations

import json
from typing import Any

from harness.observation.compare import one_line

_LINE_WIDTH = 110
# One event or fault a line, however long, so that a diff points at the event.
_LINES = frozenset({"trace", "faults", "findings"})


def formatted(value: Any, indent: str = "", name: str = "") -> str:
    """JSON with sorted keys; a container of scalars is one line if it fits, an event or fault always."""
    if not isinstance(value, dict | list) or not value or _fits(value, indent, name):
        return one_line(value)
    deeper = indent + "  "
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    items = (deeper + item for item in _items(value, deeper, name))
    return "\n".join((opening, ",\n".join(items), indent + closing))


def _items(value: dict[str, Any] | list[Any], indent: str, name: str) -> list[str]:
    if isinstance(value, dict):
        return [f"{json.dumps(key)}: {formatted(item, indent, key)}" for key, item in sorted(value.items())]
    if name in _LINES:
        return [one_line(item) for item in value]
    return [formatted(item, indent) for item in value]


def _fits(value: Any, indent: str, name: str) -> bool:
    """Whether a container of scalars goes on one line."""
    items = value.values() if isinstance(value, dict) else value
    if name in _LINES or any(isinstance(item, dict | list) for item in items):
        return False
    return len(indent) + len(name) + len(one_line(value)) <= _LINE_WIDTH

"""How values, points and long lists are told on the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.observation import Point
from harness.observation.compare import ABSENT, changed_params, named_params, one_line

LISTED = 40
"""How many points, differences and findings are listed before the rest is only counted."""
LINE = 400
"""Longer values are cut in the middle; the JSON has them whole."""


@dataclass(frozen=True)
class Capped:
    """The first lines of a list, and how many more there are."""

    lines: tuple[Any, ...]
    more: int

    @classmethod
    def of(cls, lines: Sequence[Any], limit: int = LISTED) -> Capped:
        return cls(tuple(lines[:limit]), max(0, len(lines) - limit))

    def __bool__(self) -> bool:
        return bool(self.lines)


def named(main: Point, point: Point) -> str:
    """A point by what sets it apart from the default one, `main`."""
    changed = changed_params(main.params, point.params)
    return named_params(changed) if changed else "default point"


def cut(value: Any) -> str:
    """A value as one line, its middle left out where it is long."""
    text = value if isinstance(value, str) else str(value) if value is ABSENT else one_line(value)
    half = LINE // 2
    return text if len(text) <= LINE else f"{text[:half]} … {text[-half:]}"

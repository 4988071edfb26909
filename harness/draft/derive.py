"""Syntax edits that turn one version of a module into another, function by function."""

from __future__ import annotations

from dataclasses import dataclass

from harness.draft.module import Module
from harness.draft.outside import Left, outside
from harness.draft.writer import Unique, Writer
from harness.facts import Edit


@dataclass(frozen=True)
class Derived:
    """The edits, and what differs beside them."""

    edits: tuple[Edit, ...]
    left: tuple[Left, ...]


def derive(after: str, before: str, unique: Unique) -> Derived:
    """How to get from the code `after` a fix back to the code `before` it."""
    old, new = Module(after), Module(before)
    edits: list[Edit] = []
    left = list(outside(old, new))
    for key in [key for key in old.functions if key in new.functions]:
        writer = Writer(key[0], old, new, unique)
        edits += writer.edits(old.functions[key], new.functions[key])
        left += writer.left
    return Derived(tuple(edits), tuple(left))

"""Slots that a case is given by hand: those that mean something."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import BadInput


def refuse_unpaired(name: str, given: Sequence[int], of: str, others: Sequence[int]) -> None:
    """Refuse two lists of which one is longer than the other."""
    if len(given) != len(others):
        raise BadInput(f"{name}: give one number for each of the {len(others)} in {of}")


def refuse(name: str, slots: Sequence[int], size: int) -> None:
    """Refuse slots that a pool of `size` has not got, and one that is given twice; below 0 is none at all."""
    if max(slots) >= size:
        raise BadInput(f"{name}: {max(slots)} is none of the {size} slots: lower it")
    taken = [slot for slot in slots if slot >= 0]
    if len(set(taken)) < len(taken):
        raise BadInput(f"{name}: a slot is given twice: give each its own")

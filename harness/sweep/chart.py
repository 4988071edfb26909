"""A map of a sweep along the two quantities that tell most about where the bug bites."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.sweep.outcomes import Outcome

BINS = 8
"""Columns or rows at most; more values are put into so many ranges of about equal weight."""


@dataclass(frozen=True)
class Chart:
    """`cells[row][column]` counts (points that bite, points) for the bins named in `rows` and `columns`."""

    down: str
    across: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[tuple[int, int], ...], ...]

    def to_json(self) -> dict[str, Any]:
        axes = {"down": self.down, "across": self.across, "rows": self.rows, "columns": self.columns}
        return {**axes, "cells": [[list(cell) for cell in row] for row in self.cells]}


def chart(outcomes: Sequence[Outcome]) -> Chart | None:
    """The map; None where no quantity varies."""
    binned = {name: _binned(values) for name, values in _quantities(outcomes).items()}
    binned = {name: bins for name, bins in binned.items() if len(set(bins)) > 1}
    bites = [outcome.bites for outcome in outcomes]
    told = sorted(binned, key=lambda name: -_information(binned[name], bites))
    if not told:
        return None
    down = told[0]
    others = sorted(told[1:], key=lambda name: -_joint(binned[down], binned[name], bites))
    across = others[0] if others else ""
    binned.setdefault("", [(0, "")] * len(outcomes))  # one column, where nothing else varies
    return _counted(down, across, binned, bites)


def _quantities(outcomes: Sequence[Outcome]) -> dict[str, list[Any]]:
    """The parameters, a list by its length, its sum and its largest item."""
    found: dict[str, list[Any]] = {}
    for outcome in outcomes:
        for name, value in outcome.params.items():
            parts = _parts(name, value) if isinstance(value, list | tuple) else {name: value}
            for part, quantity in parts.items():
                found.setdefault(part, []).append(quantity)
    return found


def _parts(name: str, items: Sequence[int]) -> dict[str, int]:
    return {f"len({name})": len(items), f"sum({name})": sum(items), f"max({name})": max(items, default=0)}


def _binned(values: Sequence[Any]) -> list[tuple[int, str]]:
    """Each value's bin, as its place in order and its name."""
    distinct = list(dict.fromkeys(values))
    if all(isinstance(value, int) for value in distinct):
        distinct.sort()
    if len(distinct) <= BINS:
        return [(distinct.index(value), str(value)) for value in values]
    edges = sorted(values)
    starts = sorted({edges[len(edges) * place // BINS] for place in range(BINS)})
    places = [sum(start <= value for start in starts) - 1 for value in values]
    return [
        (place, f"{starts[place]}-" + (str(starts[place + 1] - 1) if place + 1 < len(starts) else ""))
        for place in places
    ]


def _information(bins: Sequence[Any], bites: Sequence[bool]) -> float:
    """How many bits the bin tells about whether the bug bites."""
    inside = [
        _entropy([bite for bin_, bite in zip(bins, bites, strict=True) if bin_ == wanted]) * count
        for wanted, count in Counter(bins).items()
    ]
    return _entropy(bites) - sum(inside) / len(bites)


def _joint(some: Sequence[Any], others: Sequence[Any], bites: Sequence[bool]) -> float:
    return _information(list(zip(some, others, strict=True)), bites)


def _entropy(bites: Sequence[bool]) -> float:
    share = sum(bites) / len(bites)
    return -sum(part * math.log2(part) for part in (share, 1 - share) if part)


def _counted(
    down: str, across: str, binned: Mapping[str, Sequence[tuple[int, str]]], bites: Sequence[bool]
) -> Chart:
    rows, columns = sorted(set(binned[down])), sorted(set(binned[across]))
    places = list(zip(binned[down], binned[across], strict=True))
    points, biting = (
        Counter(places),
        Counter(place for place, bite in zip(places, bites, strict=True) if bite),
    )
    cells = tuple(tuple((biting[row, column], points[row, column]) for column in columns) for row in rows)
    return Chart(down, across, tuple(name for _, name in rows), tuple(name for _, name in columns), cells)

"""Remembers which lane of which instruction stored each element of one argument last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.memory.windows import Argument, Offsets
from harness.observation import Store

if TYPE_CHECKING:
    from harness.gcn.space import Place

_NONE = -1


class Stores:
    """The last store of each element of `argument`, in one launch."""

    def __init__(self, argument: Argument) -> None:
        self.argument = argument
        self._places: list[Place] = []
        self._store = np.full(argument.nbytes // argument.itemsize, _NONE, dtype=np.int64)
        self._lane = np.zeros(self._store.shape, dtype=np.int64)

    def add(self, offsets: Offsets, who: Offsets, width: int, place: Place) -> None:
        """Lanes `who` stored `width` bytes each at these byte offsets, which lie inside."""
        size = self.argument.itemsize
        for byte in range(0, width, min(size, width)):
            elements = (offsets + byte) // size
            self._store[elements], self._lane[elements] = len(self._places), who
        self._places.append(place)

    def last(self, element: int) -> Store | None:
        """Who stored an element last; None where nothing did."""
        number = int(self._store[element])
        return None if number == _NONE else self._places[number].store(int(self._lane[element]))

"""Which elements of a very large tensor were stored to, so that nobody has to read what lies between."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]

WIDE = 16 << 20
"""Bytes from which on a tensor's stores are kept one by one. Below that a launch's trace digests all from the
first element stored to the last; above it most of that was never written, and to read it would touch memory
that is only reserved."""
_AT_ONCE = 1 << 20


class Stored:
    """The elements, by their number, of one tensor in one launch."""

    def __init__(self, itemsize: int) -> None:
        self._itemsize = itemsize
        self._parts: list[Offsets] = []
        self._pending = 0

    def add(self, offsets: Offsets, width: int) -> None:
        """Note stores of `width` bytes each at these byte offsets from the tensor's first element."""
        first = offsets.ravel() // self._itemsize
        last = (offsets.ravel() + width - 1) // self._itemsize
        for step in range(int((last - first).max(initial=0)) + 1):
            self._parts.append(np.minimum(first + step, last))
            self._pending += first.size
        if self._pending > _AT_ONCE:
            self._parts, self._pending = [self.elements()], 0

    def elements(self) -> Offsets:
        """All of them, each once, in their order."""
        return np.unique(np.concatenate(self._parts)) if self._parts else np.empty(0, dtype=np.int64)

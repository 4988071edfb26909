"""Sees what a launch writes beside the slices that it was given, inside their own allocation.

To hardware a slice's neighbour is memory like any other, and no fence fits between them. So what lies
around the slices is kept before a launch and compared behind it. Reads leave no trace there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from harness.memory.violations import Elements

MOST_BYTES = 1 << 26
"""Larger allocations are not kept."""


@dataclass(frozen=True)
class Slice:
    """A tensor that a launch was given, and the name of its buffer."""

    buffer: str
    tensor: torch.Tensor

    @property
    def start(self) -> int:
        """First byte, in bytes of its allocation."""
        return int(self.tensor.storage_offset()) * self.tensor.element_size()


@dataclass(frozen=True)
class Kept:
    """One allocation: its bytes as they were, and which of them some slice covers."""

    slices: tuple[Slice, ...]
    before: torch.Tensor
    covered: torch.Tensor

    def violations(self) -> Iterator[tuple[Slice, Elements]]:
        """By slice the elements, relative to it, that were changed and that no slice covers."""
        changed = (_bytes(self.slices[0].tensor) != self.before) & ~self.covered
        places = changed.nonzero().ravel().cpu().numpy()
        if not places.size:
            return
        starts = np.array([one.start for one in self.slices])
        owners = np.maximum(np.searchsorted(starts, places, side="right") - 1, 0)
        for number in np.unique(owners).tolist():
            one = self.slices[number]
            relative = (places[owners == number] - one.start) // one.tensor.element_size()
            yield one, np.unique(relative).astype(np.int64)


def kept(slices: Sequence[Slice]) -> list[Kept]:
    """What lies around these slices, of every allocation that they do not cover as a whole."""
    by_memory: dict[int, list[Slice]] = {}
    for one in slices:
        nbytes = one.tensor.untyped_storage().nbytes()
        if one.tensor.numel() and nbytes <= MOST_BYTES:
            by_memory.setdefault(one.tensor.untyped_storage().data_ptr(), []).append(one)
    found = (_kept(sorted(group, key=lambda one: one.start)) for group in by_memory.values())
    return [one for one in found if one is not None]


def _kept(slices: Sequence[Slice]) -> Kept | None:
    covered = torch.zeros_like(_bytes(slices[0].tensor), dtype=torch.bool)
    for one in slices:
        size = one.tensor.element_size()
        strides = [stride * size for stride in one.tensor.stride()]
        covered.as_strided((*one.tensor.shape, size), (*strides, 1), one.start).fill_(True)
    if bool(covered.all()):
        return None
    return Kept(tuple(slices), _bytes(slices[0].tensor).clone(), covered)


def _bytes(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor's allocation."""
    memory = torch.empty(0, dtype=torch.uint8, device=tensor.device)
    return memory.set_(tensor.untyped_storage())

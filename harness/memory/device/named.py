"""Allocations without fences, told to a ledger: for tools that know addresses and not names."""

from __future__ import annotations

import torch

from harness.memory.device.ledger import Entry, Ledger
from harness.memory.fences import Like
from harness.memory.poison import Poison


class NamedAllocations:
    """Gives code under test torch's own memory, and notes which buffer lies where."""

    def __init__(self, device: torch.device, ledger: Ledger, reach: int) -> None:
        self._device, self._ledger, self._reach = device, ledger, reach

    def outside(self, device: torch.device | None) -> str | None:
        """Why memory on this device is not noted; None if it is."""
        mine = self._device.type
        return None if (device or torch.get_default_device()).type == mine else f"not in the memory of {mine}"

    def allocate(self, like: Like, name: str | None) -> torch.Tensor:
        """Zeroed memory of the shape, strides and type of `like`; what is up to `reach` bytes off is its."""
        tensor = torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=self._device)
        start, nbytes = tensor.data_ptr(), tensor.untyped_storage().nbytes()
        low, high = start - self._reach, start + nbytes + self._reach
        self._ledger.add(Entry(name, start, nbytes, like.element_size(), low, high))
        return tensor.zero_()

    def leave_out(self, reason: str) -> None:
        """Nothing is fenced here, so nothing is counted."""

    def holds(self, tensor: torch.Tensor) -> bool:
        return False

    def name_of(self, tensor: torch.Tensor) -> str | None:
        entry = self._ledger.starting(tensor.untyped_storage().data_ptr())
        return entry.name if entry else None

    def release(self, tensor: torch.Tensor) -> None:
        """The memory is torch's already."""

    def poisoned(self, tensor: torch.Tensor, poison: Poison) -> None:
        """These runs ask for addresses alone: none is made again."""

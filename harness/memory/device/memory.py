"""Where a fenced buffer's memory comes from: torch's allocator, or pages with nothing mapped behind them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch

from harness.memory.device.zones import RED_ZONE_BYTES

ALIGNMENT = 16
"""Bytes to which an electric fence aligns a buffer: what Triton and vectorised loads ask for at most
of a pointer that they take as aligned. What a buffer's size leaves over up to that is a red zone."""


class Region(Protocol):
    """Memory for one buffer. `address` is its first byte; `behind` bytes after it are free for a zone."""

    address: int
    behind: int
    guard: tuple[int, int] | None  # first and behind last address of the unmapped pages behind it

    def view(self, offset: int, nbytes: int, owner: object = None) -> torch.Tensor:
        """uint8 memory from `offset` bytes after the buffer's first, a storage of exactly that size.

        It keeps `owner` alive, and the region itself without one.
        """
        ...

    def close(self) -> None:
        """Give the memory back; the device must be done with it."""
        ...


class Source(Protocol):
    """Makes regions on one device."""

    device: torch.device

    def take(self, nbytes: int) -> Region: ...


def exposed(address: int, nbytes: int, device: torch.device, owner: object) -> torch.Tensor:
    """Memory at an address as a uint8 tensor that keeps `owner` alive. At least one byte."""
    if device.type == "cpu":
        array = np.asarray(_Interface("__array_interface__", address, nbytes, owner))
        return torch.from_numpy(array)
    made = _Interface("__cuda_array_interface__", address, nbytes, owner)
    return torch.as_tensor(made, device=device)


class _Interface:
    """What numpy and torch ask of an object whose memory they are to use. HIP's torch asks the same."""

    def __init__(self, protocol: str, address: int, nbytes: int, owner: object) -> None:
        self._owner = owner
        facts: dict[str, Any] = {
            "shape": (nbytes,),
            "typestr": "|u1",
            "data": (address, False),
            "version": 3,
            "strides": None,
        }
        setattr(self, protocol, facts)


class Allocated:
    """A region in memory of torch's own allocator, with red zones on both sides."""

    def __init__(self, nbytes: int, device: torch.device, behind: int) -> None:
        self._device = device
        self._memory = torch.empty(nbytes + 2 * RED_ZONE_BYTES + behind, dtype=torch.uint8, device=device)
        base = self._memory.data_ptr() + RED_ZONE_BYTES
        self.address = base + -base % RED_ZONE_BYTES
        self.behind = behind
        self.guard: tuple[int, int] | None = None

    def view(self, offset: int, nbytes: int, owner: object = None) -> torch.Tensor:
        return exposed(self.address + offset, nbytes, self._device, self if owner is None else owner)

    def close(self) -> None:
        """Nothing to do: torch takes the memory back when the last view of it is gone."""


class AllocatorSource:
    """Regions from torch's allocator: for red zones alone, of `behind` bytes behind a buffer."""

    def __init__(self, device: torch.device, behind: int = RED_ZONE_BYTES) -> None:
        self.device = device
        self._behind = behind

    def take(self, nbytes: int) -> Allocated:
        return Allocated(nbytes, self.device, self._behind)


class VirtualMemory(Protocol):
    """What an electric fence needs of a device driver. Addresses and sizes in bytes, whole pages."""

    @property
    def granularity(self) -> int:
        """Bytes of a page."""
        ...

    def reserve(self, nbytes: int) -> int:
        """Take address space alone."""
        ...

    def back(self, address: int, nbytes: int) -> None:
        """Put memory behind part of it, to read and write."""
        ...

    def release(self, address: int, backed: int, reserved: int) -> None:
        """Give back memory and address space."""
        ...


class Guarded:
    """A region that ends where its mapped pages end: what leaves it faults in the kernel that does it."""

    def __init__(self, nbytes: int, device: torch.device, virtual: VirtualMemory, alignment: int) -> None:
        page = virtual.granularity
        end = -(-nbytes // alignment) * alignment
        self._device, self._virtual = device, virtual
        self._backed = -(-(RED_ZONE_BYTES + end) // page) * page
        self._reserved = self._backed + page
        self._start = virtual.reserve(self._reserved)
        virtual.back(self._start, self._backed)
        self.address = self._start + self._backed - end
        self.behind = end - nbytes
        self.guard: tuple[int, int] | None = (self._start + self._backed, self._start + self._reserved)

    def view(self, offset: int, nbytes: int, owner: object = None) -> torch.Tensor:
        return exposed(self.address + offset, nbytes, self._device, self if owner is None else owner)

    def close(self) -> None:
        self._virtual.release(self._start, self._backed, self._reserved)


class GuardedSource:
    """Regions with an unmapped page behind them: an electric fence."""

    def __init__(self, device: torch.device, virtual: VirtualMemory, alignment: int = ALIGNMENT) -> None:
        self.device = device
        self._virtual = virtual
        self._alignment = alignment

    def take(self, nbytes: int) -> Guarded:
        return Guarded(nbytes, self.device, self._virtual, self._alignment)

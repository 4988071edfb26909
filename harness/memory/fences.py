"""Memory between two red zones: what writes past an allocation leaves its mark there.

The zones lie outside the tensor's storage, so that torch itself sees nothing of them.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from harness.memory.names import address_of
from harness.memory.poison import Poison
from harness.memory.unwritten import Unwritten
from harness.memory.violations import Violations
from harness.observation import Fault

RED_ZONE_BYTES = 512
"""On each side; a write further away than that is not seen by a fence."""
ALIGNMENT = 64
"""What torch's own allocator gives on a CPU."""
_CANARY = 0xC5
_UNHARMED = bytes([_CANARY]) * RED_ZONE_BYTES

Bytes = npt.NDArray[np.uint8]


class Block:
    """One allocation. Numpy and torch keep it alive for as long as they use its memory."""

    def __init__(
        self, nbytes: int, itemsize: int, name: str | None, damaged: Callable[[Block], None]
    ) -> None:
        self._zones: tuple[tuple[int, Bytes], ...] = ()  # none yet, should the allocation be refused
        memory = np.zeros(nbytes + 2 * RED_ZONE_BYTES + ALIGNMENT, dtype=np.uint8)
        described = memory.__array_interface__
        address = described["data"][0]
        start = RED_ZONE_BYTES + -(address + RED_ZONE_BYTES) % ALIGNMENT
        self.name = name
        self.numel = nbytes // itemsize
        self.unwritten: Unwritten | None = None
        self.itemsize = itemsize
        self._damaged = damaged
        self._zones = (
            (-RED_ZONE_BYTES, memory[start - RED_ZONE_BYTES : start]),
            (nbytes, memory[start + nbytes : start + nbytes + RED_ZONE_BYTES]),
        )
        for _, zone in self._zones:
            zone[:] = _CANARY
        self._memory = memory
        self.__array_interface__ = {**described, "shape": (nbytes,), "data": (address + start, False)}

    def tensor(self, dtype: torch.dtype, shape: Iterable[int], stride: Iterable[int]) -> torch.Tensor:
        """A tensor whose storage is exactly this block's memory, all zeros."""
        return torch.from_numpy(np.asarray(self)).view(dtype).as_strided(tuple(shape), tuple(stride))

    def damage(self) -> npt.NDArray[np.int64]:
        """Elements whose canaries are gone, relative to the buffer; they are set anew."""
        hit = [
            offset + np.flatnonzero(zone != _CANARY)
            for offset, zone in self._zones
            if zone.tobytes() != _UNHARMED
        ]
        if not hit:
            return np.empty(0, dtype=np.int64)
        for _, zone in self._zones:
            zone[:] = _CANARY
        return np.unique(np.concatenate(hit) // self.itemsize).astype(np.int64)

    def __del__(self) -> None:
        # The last chance to see what was written while nobody looked. At the interpreter's exit
        # nobody is told any more, and the modules that looking takes may be gone.
        if self._zones and not sys.is_finalizing():
            self._damaged(self)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is to be allocated, as far as it can be told without any memory; `plain` as `is_plain` has it."""

    shape: torch.Size
    strides: tuple[int, ...]
    dtype: torch.dtype
    plain: bool

    def stride(self) -> tuple[int, ...]:
        """Elements from one index to the next, of each dimension."""
        return self.strides

    def numel(self) -> int:
        """How many elements there are."""
        return self.shape.numel()

    def element_size(self) -> int:
        """Bytes of an element."""
        return self.dtype.itemsize


Like = torch.Tensor | Shape


class Fenced(Protocol):
    """The fenced allocations of one kind of memory, as what watches torch needs them."""

    def outside(self, device: torch.device | None) -> str | None: ...
    def allocate(self, like: Like, name: str | None) -> torch.Tensor: ...
    def leave_out(self, reason: str) -> None: ...
    def holds(self, tensor: torch.Tensor) -> bool: ...
    def name_of(self, tensor: torch.Tensor) -> str | None: ...
    def release(self, tensor: torch.Tensor) -> None: ...
    def poisoned(self, tensor: torch.Tensor, poison: Poison) -> None: ...


class Fences:
    """The fenced allocations of one run of a case."""

    def __init__(self, violations: Violations) -> None:
        self._violations = violations
        self._blocks: weakref.WeakSet[Block] = weakref.WeakSet()
        self._by_address: weakref.WeakValueDictionary[int, Block] = weakref.WeakValueDictionary()
        self.fenced = 0
        self.unfenced: dict[str, int] = {}

    def allocate(self, like: Like, name: str | None) -> torch.Tensor:
        """Zeroed memory between red zones, of the shape, strides and type of `like`."""
        sizes = zip(like.shape, like.stride(), strict=True)
        span = sum((size - 1) * stride for size, stride in sizes) + 1
        block = Block(span * like.element_size(), like.element_size(), name, self._check_block)
        self._blocks.add(block)
        tensor = block.tensor(like.dtype, like.shape, like.stride())
        self._by_address[address_of(tensor)] = block
        self.fenced += 1
        return tensor

    def outside(self, device: torch.device | None) -> str | None:
        """Why memory on this device (None: where torch puts it) cannot be fenced here; None if it can."""
        return None if device is None or device.type == "cpu" else "not in the CPU's memory"

    def leave_out(self, reason: str) -> None:
        """Count an allocation that stays without a fence."""
        self.unfenced[reason] = self.unfenced.get(reason, 0) + 1

    def holds(self, tensor: torch.Tensor) -> bool:
        return self.name_of(tensor) is not None or tensor.untyped_storage().data_ptr() in self._by_address

    def name_of(self, tensor: torch.Tensor) -> str | None:
        """What the allocation under this tensor was bound to when it was made."""
        block = self._block(tensor)
        return block.name if block else None

    def poisoned(self, tensor: torch.Tensor, poison: Poison) -> None:
        """Note that the allocation under this tensor was filled with poison of its type."""
        if block := self._block(tensor):
            block.unwritten = Unwritten(*poison.word(tensor.dtype))

    def unwritten(self, tensor: torch.Tensor) -> Unwritten | None:
        """The poison that the allocation under this tensor was made with; None if it was made whole."""
        block = self._block(tensor)
        return block.unwritten if block else None

    def _block(self, tensor: torch.Tensor) -> Block | None:
        return self._by_address.get(tensor.untyped_storage().data_ptr())

    def release(self, tensor: torch.Tensor) -> None:
        """Move a tensor into memory of torch's own, which can be resized and shared."""
        plain = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
        plain.copy_(tensor.detach())
        tensor.set_(plain.untyped_storage(), 0, tensor.shape, tensor.stride())
        self.leave_out("resized by the code under test")

    def check(self) -> None:
        """Look at every canary."""
        for block in list(self._blocks):
            self._check_block(block)

    def check_some(self, tensors: Iterable[torch.Tensor], kernel: str) -> None:
        """Look at the canaries around these tensors, just after `kernel` had them."""
        for tensor in tensors:
            block = self._block(tensor)
            if block is not None:
                self._check_block(block, kernel)

    def _check_block(self, block: Block, kernel: str | None = None) -> None:
        elements = block.damage()
        if elements.size:
            fault = Fault(kind="oob-write", buffer=block.name, kernel=kernel, numel=block.numel)
            self._violations.access(fault, elements)

    def notes(self) -> list[str]:
        """What a person should know of allocations that had no fence."""
        return [
            f"{count} allocations without a fence: {reason}"
            for reason, count in sorted(self.unfenced.items())
        ]


def is_plain(tensor: Any) -> bool:
    """Whether a tensor is one that memory can be swapped under."""
    return type(tensor) in (torch.Tensor, torch.nn.Parameter) and tensor.layout == torch.strided

"""An electric fence around every device allocation of a process, as an allocator that torch can take.

torch.cuda.memory's pluggable allocators are C functions; these are Python ones behind ctypes, so that
no compiler is needed. Slow, two MiB for each tensor, and without torch's memory statistics: for small
programs. What is allocated while a graph is captured stays mapped for good.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass, field
from typing import Any

import torch

from harness.errors import BadInput
from harness.memory.device.ledger import Entry, Ledger
from harness.memory.device.memory import ALIGNMENT, Guarded, VirtualMemory
from harness.memory.names import name_to_be

_ALLOCATE = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p)
_FREE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p)


@dataclass
class ElectricAllocator:
    """Every allocation ends at an unmapped page, up to `ALIGNMENT` bytes that its size leaves over."""

    virtual: VirtualMemory
    ledger: Ledger = field(default_factory=Ledger)
    _regions: dict[int, Guarded] = field(default_factory=dict)
    _callbacks: list[Any] = field(default_factory=list)

    def install(self) -> None:
        """Make this torch's allocator. Raises BadInput once torch has set up its own for the device."""
        self._callbacks = [_ALLOCATE(self._allocate), _FREE(self._free)]
        addresses = [ctypes.cast(callback, ctypes.c_void_p).value or 0 for callback in self._callbacks]
        allocator = torch.cuda.memory._CUDAAllocator(torch._C._cuda_customAllocator(*addresses))
        try:
            torch.cuda.memory.change_current_allocator(allocator)
        except RuntimeError as error:
            raise BadInput(
                "the electric allocator comes too late: install it before torch touches the device"
            ) from error

    def _allocate(self, nbytes: int, device: int, stream: int | None) -> int | None:
        if not nbytes:
            return None
        region = Guarded(nbytes, torch.device("cuda", device), self.virtual, ALIGNMENT)
        self._regions[region.address] = region
        _, high = region.guard or (0, 0)
        name = name_to_be(sys._getframe().f_back)
        self.ledger.add(Entry(name, region.address, nbytes, 1, region.address, high))
        return region.address

    def _free(self, address: int | None, nbytes: int, device: int, stream: int | None) -> None:
        if address is None or torch.cuda.is_current_stream_capturing():
            return
        region = self._regions.pop(address, None)
        if region is not None:
            torch.cuda.synchronize(device)
            region.close()

"""A virtual memory of this process's own address space: what a GPU's driver is to an electric fence."""

from __future__ import annotations

import ctypes
import mmap

_NONE, _READ_WRITE, _PRIVATE_ANONYMOUS = 0, mmap.PROT_READ | mmap.PROT_WRITE, 0x22
_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
_LIBC.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)


class Pages:
    """Counts what is taken and given back."""

    granularity = mmap.PAGESIZE

    def __init__(self) -> None:
        self.held: dict[int, int] = {}

    def reserve(self, nbytes: int) -> int:
        address = _LIBC.mmap(None, nbytes, _NONE, _PRIVATE_ANONYMOUS, -1, 0)
        assert address not in (None, ctypes.c_void_p(-1).value)
        self.held[address] = nbytes
        return int(address)

    def back(self, address: int, nbytes: int) -> None:
        assert _LIBC.mprotect(address, nbytes, _READ_WRITE) == 0

    def release(self, address: int, backed: int, reserved: int) -> None:
        assert self.held.pop(address) == reserved
        assert _LIBC.munmap(address, reserved) == 0

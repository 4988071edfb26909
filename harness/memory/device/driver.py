"""The virtual memory management of CUDA's and HIP's drivers, by their C interface.

CUDA: the CUDA Driver API manual, "Virtual Memory Management". HIP: its manual's section of the same
name; its functions take the same arguments (a compiler checked that against the headers of HIP 5.2), and its
structures have the same layout since HIP 6 at the latest; in 5.2 an allocation's properties had another one.
The HIP half has not run on AMD hardware.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import Unresolved

_PINNED, _ON_DEVICE, _READ_WRITE, _MINIMUM = 1, 1, 3, 0
_RELAXED = 2


class _Location(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("id", ctypes.c_int))


class _Flags(ctypes.Structure):
    _fields_ = (
        ("compression", ctypes.c_ubyte),
        ("rdma", ctypes.c_ubyte),
        ("usage", ctypes.c_ushort),
        ("reserved", ctypes.c_ubyte * 4),
    )


class _Properties(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("handle_types", ctypes.c_int),
        ("location", _Location),
        ("win32", ctypes.c_void_p),
        ("flags", _Flags),
    )


class _Access(ctypes.Structure):
    _fields_ = (("location", _Location), ("flags", ctypes.c_int))


@dataclass(frozen=True)
class Vendor:
    """A driver's library and what its functions' names begin with.

    `oldest` is the version, as RuntimeGetVersion tells it, since which its structures are the ones used here.
    """

    library: str
    prefix: str
    oldest: int = 0


CUDA = Vendor("libcuda.so.1", "cu")
HIP = Vendor("libamdhip64.so", "hip", oldest=60_000_000)


def mapped(library: str) -> str | None:
    """The file of this name, or of a version of it, that this process has loaded already.

    A wheel of torch brings its own HIP: a second one, found by name, would know nothing of its memory.
    """
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        path = line.split(maxsplit=5)[5:]
        if path and Path(path[0]).name.startswith(library):
            return path[0]
    return None


@dataclass
class DriverMemory:
    """`VirtualMemory` of one GPU. Its context must be current in the calling thread.

    Raises Unresolved where the driver lacks a function or refuses.
    """

    vendor: Vendor
    device: int
    _handles: dict[int, int] = field(default_factory=dict)

    @cached_property
    def _library(self) -> ctypes.CDLL:
        try:
            library = ctypes.CDLL(mapped(self.vendor.library) or self.vendor.library)
        except OSError as error:
            raise Unresolved(
                f"{self.vendor.library} cannot be loaded: electric fences need the GPU's driver"
            ) from error
        # torch's first allocation may come before anybody else had a need of the driver.
        getattr(library, f"{self.vendor.prefix}Init")(0)
        self._hold_version(library)
        return library

    def _hold_version(self, library: ctypes.CDLL) -> None:
        """Unresolved for a library whose structures are laid out in another way: it would read nonsense."""
        if not self.vendor.oldest:
            return
        told = ctypes.c_int()
        getattr(library, f"{self.vendor.prefix}RuntimeGetVersion")(ctypes.byref(told))
        if told.value < self.vendor.oldest:
            needed = f"electric fences need {self.vendor.oldest} or later"
            raise Unresolved(f"{self.vendor.library} is of version {told.value}: {needed}")

    @cached_property
    def granularity(self) -> int:
        size = ctypes.c_size_t()
        properties = self._properties()
        self._call("MemGetAllocationGranularity", ctypes.byref(size), ctypes.byref(properties), _MINIMUM)
        return size.value

    def reserve(self, nbytes: int) -> int:
        address = ctypes.c_uint64()
        sizes = (ctypes.c_size_t(nbytes), ctypes.c_size_t(0), ctypes.c_uint64(0), ctypes.c_uint64(0))
        self._call("MemAddressReserve", ctypes.byref(address), *sizes)
        return address.value

    def back(self, address: int, nbytes: int) -> None:
        handle, size = ctypes.c_uint64(), ctypes.c_size_t(nbytes)
        where = ctypes.c_uint64(address)
        properties = self._properties()
        access = _Access(_Location(_ON_DEVICE, self.device), _READ_WRITE)
        none = ctypes.c_uint64(0)
        with self._while_capturing():
            self._call("MemCreate", ctypes.byref(handle), size, ctypes.byref(properties), none)
            self._call("MemMap", where, size, ctypes.c_size_t(0), handle, none)
            self._call("MemSetAccess", where, size, ctypes.byref(access), ctypes.c_size_t(1))
        self._handles[address] = handle.value

    def release(self, address: int, backed: int, reserved: int) -> None:
        where = ctypes.c_uint64(address)
        self._call("MemUnmap", where, ctypes.c_size_t(backed))
        self._call("MemRelease", ctypes.c_uint64(self._handles.pop(address)))
        self._call("MemAddressFree", where, ctypes.c_size_t(reserved))

    def _properties(self) -> _Properties:
        return _Properties(type=_PINNED, location=_Location(_ON_DEVICE, self.device))

    @contextmanager
    def _while_capturing(self) -> Iterator[None]:
        """Lets a thread that captures a graph take memory; what it takes is no part of the graph."""
        mode = ctypes.c_int(_RELAXED)
        self._call("ThreadExchangeStreamCaptureMode", ctypes.byref(mode))
        try:
            yield
        finally:
            self._call("ThreadExchangeStreamCaptureMode", ctypes.byref(mode))

    def _call(self, name: str, *args: Any) -> None:
        full = self.vendor.prefix + name
        try:
            function = getattr(self._library, full)
        except AttributeError as error:
            raise Unresolved(
                f"{self.vendor.library} has no {full}: update the driver, or use red zones alone"
            ) from error
        code = function(*args)
        if code:
            raise Unresolved(f"{full} ended with error {code}: is the device in order, and its memory free?")

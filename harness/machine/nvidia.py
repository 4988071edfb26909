"""The NVIDIA GPU of this machine, by the driver's management library: no CUDA context, no torch."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from ctypes import byref, c_char, c_int, c_uint, c_void_p
from dataclasses import dataclass
from typing import Any

_LIBRARY = "libnvidia-ml.so.1"
_TEXT = 96
"""Bytes for a name: NVML_DEVICE_NAME_V2_BUFFER_SIZE."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """`chip` is the compute capability (90); `cuda` the newest CUDA that the driver runs, such as 13.0."""

    name: str
    chip: int
    driver: str
    cuda: str

    @property
    def facts(self) -> dict[str, str]:
        return {"gpu": self.name, "driver": self.driver, "driver_cuda": self.cuda}


class _Unusable(Exception):
    """The library refused a call."""


def gpu(environment: Mapping[str, str] | None = None, library: Any = None) -> Gpu | None:
    """The first GPU; None without a driver or a device, and where CUDA_VISIBLE_DEVICES hides them all.

    `library` stands for the driver's own, in tests.
    """
    first = _first_visible(os.environ if environment is None else environment)
    if first is None:
        return None
    try:
        library = library if library is not None else ctypes.CDLL(_LIBRARY)
        _call(library.nvmlInit_v2)
    except (OSError, _Unusable):
        return None
    try:
        return _gpu(library, first)
    except _Unusable:
        return None
    finally:
        library.nvmlShutdown()


def count(library: Any = None) -> int:
    """How many GPUs the driver gives this machine, whatever CUDA_VISIBLE_DEVICES says; 0 without a driver."""
    number = c_uint()
    try:
        library = library if library is not None else ctypes.CDLL(_LIBRARY)
        _call(library.nvmlInit_v2)
    except (OSError, _Unusable):
        return 0
    try:
        _call(library.nvmlDeviceGetCount_v2, byref(number))
        return number.value
    except _Unusable:
        return 0
    finally:
        library.nvmlShutdown()


def visible(environment: Mapping[str, str] | None = None, library: Any = None) -> int:
    """How many GPUs a process would see: the driver's, less those that CUDA_VISIBLE_DEVICES hides."""
    listed = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    there = count(library)
    return there if listed is None else min(there, len([name for name in listed.split(",") if name.strip()]))


def _first_visible(environment: Mapping[str, str]) -> int | None:
    """The index of the first GPU that a process would see, as the driver counts; None where it sees none.

    A GPU named by its UUID is taken for the first: machines with GPUs of several kinds are rare.
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return 0
    first = visible.partition(",")[0].strip()
    if not first or first == "-1":
        return None
    return int(first) if first.isdigit() else 0


def _gpu(library: Any, index: int) -> Gpu:
    handle, major, minor, version = c_void_p(), c_int(), c_int(), c_int()
    _call(library.nvmlDeviceGetHandleByIndex_v2, c_uint(index), byref(handle))
    _call(library.nvmlDeviceGetCudaComputeCapability, handle, byref(major), byref(minor))
    _call(library.nvmlSystemGetCudaDriverVersion_v2, byref(version))
    return Gpu(
        name=_text(library.nvmlDeviceGetName, handle),
        chip=10 * major.value + minor.value,
        driver=_text(library.nvmlSystemGetDriverVersion),
        cuda=f"{version.value // 1000}.{version.value % 1000 // 10}",
    )


def _text(function: Any, *arguments: Any) -> str:
    buffer = (c_char * _TEXT)()
    _call(function, *arguments, buffer, c_uint(_TEXT))
    return buffer.value.decode("utf-8", "replace")


def _call(function: Any, *arguments: Any) -> None:
    if function(*arguments):
        raise _Unusable

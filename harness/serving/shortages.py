"""What a machine or a command line lacked, in a log's words: nothing follows for the code under test."""

from __future__ import annotations

import re

_STORAGE = re.compile(r"No space left on device|File too large|Disk quota exceeded")
_STORAGE_MARKS = ("No space left", "File too large", "Disk quota")
_SHARED_MEMORY = re.compile(r"/dev/shm|shared memory|NCCL (?:WARN|error)|nccl")
_LACKING = re.compile(
    r"ddress already in use|EADDRINUSE|\b[Pp]ort\b.* (?:already in use|is not available)"
    r"|port at \d+ is not available"
    r"|bad_alloc|[Cc]annot allocate memory|can't allocate memory|MemoryError\b|[Nn]ot enough memory"
    r"|LLVM ERROR: out of memory"
    r"|(?:CUDA|HIP)(?: [Ee]rror:|\]:| failure)?[ (']{1,3}?out of memory|OutOfMemoryError"
    r"|cudaErrorMemoryAllocation"
    r"|CUDA_ERROR_OUT_OF_MEMORY|hipErrorOutOfMemory|Cuda failure (?:\d+ )?'out of memory'"
    r"|CUBLAS_STATUS_ALLOC_FAILED"
    r"|[Tt]oo many open files|can't start new thread|out of shared memory|Bus error.*shared memory"
    r"|unable to (?:open|write to|mmap|resize|allocate) shared memory"
    r"|HSA_STATUS_ERROR_OUT_OF_RESOURCES|invalid device ordinal|hipErrorInvalidDevice\b"
    r"|cudaErrorInvalidDevice\b"
    r"|[Nn]o CUDA-capable device|CUDA driver version is insufficient|Found no NVIDIA driver"
    r"|No (?:CUDA|HIP) GPUs are available|launch_server(?:\.py)?: error: "
)
_LACKING_MARKS = (
    "already in use", "EADDRINUSE", "is not available", "bad_alloc", "allocate memory", "MemoryError",
    "nough memory",
    "out of memory", "OutOfMemory", "MemoryAllocation", "OUT_OF_", "ALLOC_FAILED", "oo many open files",
    "start new thread", "shared memory", "device ordinal", "InvalidDevice", "CUDA-capable", "driver version",
    "no NVIDIA", "GPUs are available", "error: ",
)  # fmt: skip
_MODULE = re.compile(r"No module named '(?!sglang)")
_GOES_ON = re.compile(
    r"(?i)\btry(?:ing)?\b|\bretr(?:y|ying|ies)\b|fall(?:ing|s)? ?back|\bskip|\bignor|\binstead\b|will use"
    r"|\busing\b"
)


def storage(text: str) -> str | None:
    """What kept the log, and with it all that it does not say, from being whole."""
    if not any(mark in text for mark in _STORAGE_MARKS) or _SHARED_MEMORY.search(text):
        return None
    found = _STORAGE.search(text)
    return found[0] if found else None


def lacks(text: str) -> bool:
    """Whether this text, of an error, tells of a shortage."""
    if any(mark in text for mark in _STORAGE_MARKS) and _SHARED_MEMORY.search(text):
        return True
    return any(mark in text for mark in _LACKING_MARKS) and bool(_LACKING.search(text))


def lacks_module(text: str) -> bool:
    """Counts where it was raised alone: upstream probes for many modules and warns of those not there."""
    return bool(_MODULE.search(text))


def goes_on(text: str) -> bool:
    """Whether its writer found another way."""
    return bool(_GOES_ON.search(text))

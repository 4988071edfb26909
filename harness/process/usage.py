"""How much memory processes use, in bytes, and how long they wait for a processor."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

_PAGE = os.sysconf("SC_PAGE_SIZE")


def anonymous(pid: int) -> int:
    """Resident memory of one process that is no file's. Cheap: one short read."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:
            fields = statm.read().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(fields[1]) - int(fields[2])) * _PAGE


def data_size(pid: int) -> int:
    """What RLIMIT_DATA counts: writable private memory, touched or not."""
    return _sum_fields(f"/proc/{pid}/status", "VmData")


def resident(pids: Iterable[int]) -> int:
    """Anonymous and shared memory that is resident; pages that several share count several times."""
    return sum(_sum_fields(f"/proc/{pid}/status", "RssAnon", "RssShmem") for pid in pids)


def proportional(pids: Iterable[int]) -> int:
    """The same, but each page is divided among those that share it. Walks page tables: slow."""
    return sum(_sum_fields(f"/proc/{pid}/smaps_rollup", "Pss_Anon", "Pss_Shmem") for pid in pids)


def threads(pid: int) -> int:
    """How many threads a process has."""
    return _sum_fields(f"/proc/{pid}/status", "Threads", unit=1)


def run_delay(pid: int) -> float:
    """Seconds that a process's first thread was ready and had no processor; 0 where nobody counts."""
    try:
        with open(f"/proc/{pid}/schedstat", "rb") as schedstat:
            return int(schedstat.read().split()[1]) / 1e9
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0.0


def kernel_kills() -> int:
    """How many processes the kernel has killed for want of memory since boot."""
    with open("/proc/vmstat", encoding="utf-8") as vmstat:
        found = re.search(r"^oom_kill (\d+)$", vmstat.read(), re.MULTILINE)
    return int(found[1]) if found else 0


def _sum_fields(path: str, *names: str, unit: int = 1024) -> int:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    found = re.findall(rf"^(?:{'|'.join(names)}):\s+(\d+)", text, re.MULTILINE)
    return sum(map(int, found)) * unit

"""Which segments of shared memory there are, and which of them a process uses (proc_pid_maps(5))."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path("/dev/shm")


def present() -> frozenset[str]:
    """The names of all segments that there are."""
    return frozenset(os.listdir(FOLDER)) if FOLDER.is_dir() else frozenset()


def used(pids: Iterable[int]) -> set[str]:
    """The segments that these processes have open or mapped.

    Descriptors are read before mappings: a segment that is being made is open until it is mapped.
    """
    pids = tuple(pids)
    return set().union(*map(_opened, pids), *map(_mapped, pids))


def _mapped(pid: int) -> set[str]:
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
            lines = [line for line in maps if f" {FOLDER}/" in line]
    except OSError:
        return set()  # it has ended
    return {line.rstrip("\n").partition(f" {FOLDER}/")[2].removesuffix(" (deleted)") for line in lines}


def _opened(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):  # it has ended
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):  # it was closed meanwhile
                target = os.readlink(entry.path)
                found |= {target.removeprefix(f"{FOLDER}/")} if target.startswith(f"{FOLDER}/") else set()
    return found

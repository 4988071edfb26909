"""An arm's log: whatever the arm wrote, kept to a bounded size, its end being what matters."""

from __future__ import annotations

import os
from pathlib import Path

LARGEST = 64 << 20
"""Bytes a log may grow to before its older part is dropped."""
KEPT = 1 << 20


def tail(path: Path, size: int = 4096) -> str:
    """The last `size` bytes of a log as text; empty if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def open_for_arm(path: Path) -> int:
    """A descriptor that every writer appends to, so that `trim` may cut the file under them."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def trim(path: Path) -> bool:
    """Cuts an overgrown log down to its end; whether it did. What is written meanwhile may be lost."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:  # a machine under load has not yet come to opening it
        return False
    if size <= LARGEST:
        return False
    kept = tail(path, KEPT)
    with path.open("r+b") as file:
        file.truncate(0)
    with path.open("ab") as file:
        file.write(f"[{size - KEPT} bytes dropped here]\n{kept}".encode())
    return True

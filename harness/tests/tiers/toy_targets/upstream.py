"""The toy itself, as text."""

from __future__ import annotations

from pathlib import Path

SLOTS = '''\
"""Copies slots; the switch is what upstream keeps of its platform."""
import torch
import triton
import triton.language as tl

_is_hip = False


@triton.jit
def copy_kernel(table, out, count, BLOCK: tl.constexpr):
    lane = tl.arange(0, BLOCK)
    slots = tl.load(table + lane, mask=lane < count)
    tl.store(out + lane, slots, mask=lane < count)


def copy_slots(table, dtype):
    if _is_hip:
        narrow = torch.empty(4, dtype=table.dtype)
        copy_kernel[(1,)](table, narrow, 4, BLOCK=64)
        return narrow.to(dtype)
    out = torch.empty(4, dtype=dtype)
    copy_kernel[(1,)](table, out, 4, BLOCK=64)
    return out
'''


def write(root: Path, slots: str = SLOTS) -> Path:
    """Write the toy package below `root`, and return `root`."""
    folder = root / "sglang"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "version.py").write_text('__version__ = "9.9.9"\n')
    (folder / "slots.py").write_text(slots)
    return root


def altered(old: str, new: str) -> str:
    """The toy's `slots.py` with one piece of text replaced; it must be there exactly once."""
    assert SLOTS.count(old) == 1, f"{old!r} is there {SLOTS.count(old)} times"
    return SLOTS.replace(old, new)

"""The toy upstream: some fixes that the toy reproducers undo."""

from __future__ import annotations

from pathlib import Path

VERSION = "9.9.9"

PAGES = '''\
"""Toy kernels; each function holds one fix."""
import ctypes

import torch
import triton
import triton.language as tl


@triton.jit
def fill_kernel(table, count, BLOCK: tl.constexpr):
    lane = tl.arange(0, BLOCK)
    tl.store(table + lane, lane, mask=lane < count)


def build_table(tokens, page_size):
    pages = -(-tokens // page_size)
    numel = pages * page_size
    table = torch.zeros(numel, dtype=torch.int32)
    fill_kernel[(1,)](table, tokens, BLOCK=64)
    return table


def pick(values, slots, window):
    moved = slots - window
    return values[moved]


def stage(out, source):
    count = min(len(out), len(source))
    out[:count].copy_(source[:count])
    return out


class Pointers:
    def __init__(self, batch):
        self.indptr = torch.zeros(batch + 1, dtype=torch.int32)


def read_slot(address):
    if not address:
        return 0
    return ctypes.c_ubyte.from_address(address).value


def drain(queue, drained):
    queue.clear()
    drained.set()
    drained.wait()
    return len(queue)
'''

SPARE = '''\
"""Nobody imports this."""


def unused(number):
    return number + 1
'''


def write(root: Path, pages: str = PAGES) -> Path:
    """Write the toy package below `root`, and return `root`."""
    folder = root / "sglang"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "version.py").write_text(f'__version__ = "{VERSION}"\n')
    (folder / "pages.py").write_text(pages)
    (folder / "spare.py").write_text(SPARE)
    return root


def altered(old: str, new: str) -> str:
    """The toy's `pages.py` with one piece of text replaced; it must be there exactly once."""
    assert PAGES.count(old) == 1, f"{old!r} is there {PAGES.count(old)} times"
    return PAGES.replace(old, new)

"""A toy upstream with one definition of each sort that a revert has to reach."""

from __future__ import annotations

from pathlib import Path

KERNELS = '''\
"""Fake kernels."""
from __future__ import annotations

import dataclasses
import functools


class triton:
    @staticmethod
    def jit(function):
        return function


def twice(function):
    @functools.wraps(function)
    def outer(*args):
        return function(*args) * 2

    return outer


def pages(tokens, page_size=16 // 2):
    """How many pages."""
    # round up
    count = (tokens + page_size - 1) // page_size  # the fix
    check(count, "pages", limit=1_000)
    return count


@triton.jit
def store(out, value):
    if value > 0:
        out.append(value)


def check(value, what, limit=0):
    assert value <= limit, what


@twice
def width(n):
    return n + 1


class Pool:
    size: int = len("four")

    def __init__(self, size):
        self.free = [0] * (size + 1)

    def take(self, n):
        if n > len(self.free):
            raise ValueError("too many")
        elif n == 0:
            return []
        else:
            taken = self.free[:n]
        self.free = self.free[n:]; self.last = n
        return taken

    @staticmethod
    def align(n):
        return -(-n // 4) * 4

    @classmethod
    def of(cls, n):
        def inner(k):
            return k + 1
        return cls(inner(n))

    async def drain(self):
        self.free = []


@dataclasses.dataclass
class Batch:
    lens: tuple = ()

    def total(self):
        return sum(self.lens)
'''

OTHER = """\
def pages(tokens):
    return tokens


class Sink:
    def take(self, n):
        return n
"""


def write(root: Path, kernels: str = KERNELS) -> Path:
    """Write the toy package `toy` below `root`, and return `root`."""
    folder = root / "toy" / "ops"
    folder.mkdir(parents=True)
    (root / "toy" / "__init__.py").write_text("")
    (root / "toy" / "_version.py").write_text('__version__ = version = "1.2.3"\n')
    (folder / "__init__.py").write_text("")
    (folder / "kernels.py").write_text(kernels)
    (root / "toy" / "data").mkdir()
    (root / "toy" / "data" / "table.json").write_text("{}")
    (root / "toy" / "plain.py").write_text("NUMBER = 7\n")
    return root

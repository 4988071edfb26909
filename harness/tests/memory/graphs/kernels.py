"""Kernels of the tests of graphs."""

from __future__ import annotations

from typing import Any

import triton.language as tl

from harness.tests.memory.battery_kernels import interpreted


@interpreted
def add_count(x: Any, y: Any, n: Any, BLOCK: tl.constexpr) -> None:
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, at < n) + n, at < n)


@interpreted
def walk(table: Any, out: Any, back: Any, N: tl.constexpr) -> None:
    at = tl.arange(0, N)
    tl.store(out + at, tl.load(table + at - back))

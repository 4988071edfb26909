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


@interpreted
def lay_out(lengths: Any, starts: Any, out: Any, BLOCK: tl.constexpr) -> None:
    """Each program lays the numbers of one request into its part of `out`."""
    request, at = tl.program_id(0), tl.arange(0, BLOCK)
    length, start = tl.load(lengths + request), tl.load(starts + request)
    tl.store(out + start + at, request * 100 + at, at < length)


@interpreted
def double(x: Any, out: Any, n: Any, BLOCK: tl.constexpr) -> None:
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at, at < n) * 2, at < n)


@interpreted
def copy_block(out: Any, source: Any) -> None:
    """Both are descriptors that the host made."""
    out.store([0, 0], source.load([0, 0]))

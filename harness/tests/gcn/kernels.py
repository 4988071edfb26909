"""Small Triton kernels, for the emulator and for Triton's interpreter."""

from __future__ import annotations

from typing import Any

import triton.language as tl
from triton.runtime.interpreter import InterpretedFunction
from triton.runtime.jit import JITFunction


def both(function: Any) -> tuple[Any, Any]:
    """A kernel to compile, and the same one to interpret, whatever TRITON_INTERPRET is in this process."""
    return JITFunction(function), InterpretedFunction(function)


def _add(x, y, out, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    tl.store(out + at, tl.load(x + at, mask=mask) + tl.load(y + at, mask=mask), mask=mask)


def _gather(table, rows, out, n, stride, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    row = tl.load(rows + at, mask=at < n, other=0)
    tl.store(out + at, tl.load(table + row * stride + 1, mask=at < n, other=-7), mask=at < n)


def _product(x, y, out, M: tl.constexpr, N: tl.constexpr, K: tl.constexpr):  # type: ignore[no-untyped-def]
    m, n, k = tl.arange(0, M), tl.arange(0, N), tl.arange(0, K)
    a = tl.load(x + m[:, None] * K + k[None, :])
    b = tl.load(y + k[:, None] * N + n[None, :])
    tl.store(out + m[:, None] * N + n[None, :], tl.dot(a, b))


def _total(x, out, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.arange(0, BLOCK)
    value = tl.load(x + at, mask=at < n, other=0)
    tl.store(out, tl.sum(value, axis=0))
    tl.store(out + 1, tl.max(value, axis=0))


def _copy(table, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.arange(0, BLOCK)
    source = tl.cast(tl.load(table), tl.pointer_type(tl.int32))
    target = tl.cast(tl.load(table + 1), tl.pointer_type(tl.int32))
    tl.store(target + at, tl.load(source + at, mask=at < n), mask=at < n)


def _thirds(out, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.arange(0, BLOCK)
    tl.store(out + at % 4, (at.to(tl.float64) / 3).to(tl.int32))


def _cast(x, out, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at, mask=at < n).to(out.dtype.element_ty), mask=at < n)


def _sums(x, sums, old, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x + at, mask=at < n)
    tl.store(old + at, tl.atomic_or(old + at, value, mask=at < n), mask=at < n)
    tl.atomic_add(sums + at % 4, value, mask=at < n)
    tl.atomic_max(sums + 4 + at * 0, value, mask=at < n)
    tl.atomic_cas(sums + 5, 0, 7)


def _exchange(x, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_xchg(x + at, at, mask=at < n)


def _halves(x, y, out, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a, b = tl.load(x + at, mask=at < n), tl.load(y + at, mask=at < n)
    tl.store(out + at, tl.maximum((a * b + a) * b - a, b), mask=at < n)


def _mixed(x, y, out, n, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a, b = tl.load(x + at, mask=at < n).to(tl.float32), tl.load(y + at, mask=at < n).to(tl.float32)
    tl.store(out + at, (a * b + a).to(tl.float16), mask=at < n)


THIRDS, _ = both(_thirds)
EXCHANGE, _ = both(_exchange)
SUMS, SUMS_INTERPRETED = both(_sums)
HALVES, _ = both(_halves)
MIXED, _ = both(_mixed)
ADD, ADD_INTERPRETED = both(_add)
GATHER, GATHER_INTERPRETED = both(_gather)
PRODUCT, PRODUCT_INTERPRETED = both(_product)
TOTAL, _ = both(_total)
COPY, COPY_INTERPRETED = both(_copy)
CAST = JITFunction(_cast)

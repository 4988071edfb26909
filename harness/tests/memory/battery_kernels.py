"""Triton kernels of the battery: correct or not by what they are given."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl
from triton.runtime.interpreter import InterpretedFunction

ON_DEVICE = "REFAULT_BATTERY_DEVICE"
"""The environment variable that has the battery's kernels compiled for a device."""


def interpreted(function: Callable[..., None]) -> Any:
    """What triton.jit makes under TRITON_INTERPRET=1, so that tests need not set that for their process.

    Triton's own library is not interpreted then: no tl.zeros, tl.sum or tl.cdiv in these kernels.
    """
    return triton.jit(function) if os.environ.get(ON_DEVICE) else InterpretedFunction(function)


@interpreted
def fill(out: Any, n: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + offsets, offsets, mask=offsets < n)


@interpreted
def fill_unmasked(out: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + offsets, offsets)


@interpreted
def shift(out: Any, source: Any, n: Any, by: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.arange(0, BLOCK)
    value = tl.load(source + offsets + by, mask=offsets < n, other=0)
    tl.store(out + offsets, value, mask=offsets < n)


@interpreted
def take_rows(out: Any, table: Any, rows: Any, width: Any, BLOCK: tl.constexpr) -> None:
    row = tl.load(rows + tl.program_id(0))
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    value = tl.load(table + row * width + columns, mask=inside)
    tl.store(out + tl.program_id(0) * width + columns, value, mask=inside)


@interpreted
def put_rows(table: Any, rows: Any, values: Any, width: Any, BLOCK: tl.constexpr) -> None:
    row = tl.load(rows + tl.program_id(0))
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    value = tl.load(values + tl.program_id(0) * width + columns, mask=inside)
    tl.store(table + row * width + columns, value, mask=inside)


@interpreted
def copy_tile(
    out: Any, source: Any, rows: Any, columns: Any, out_stride: Any, source_stride: Any, BLOCK: tl.constexpr
) -> None:
    row, column = tl.arange(0, BLOCK)[:, None], tl.arange(0, BLOCK)[None, :]
    inside = (row < rows) & (column < columns)
    value = tl.load(source + row * source_stride + column, mask=inside)
    tl.store(out + row * out_stride + column, value, mask=inside)


@interpreted
def copy_block(
    out: Any, source: Any, length: Any, start: Any, BLOCK: tl.constexpr, CHECKED: tl.constexpr
) -> None:
    read = tl.make_block_ptr(source, (length,), (1,), (start,), (BLOCK,), (0,))
    write = tl.make_block_ptr(out, (length,), (1,), (start,), (BLOCK,), (0,))
    if CHECKED:
        tl.store(write, tl.load(read, boundary_check=(0,)), boundary_check=(0,))
    else:
        tl.store(write, tl.load(read))


@interpreted
def copy_described(out: Any, source: Any, rows: Any, columns: tl.constexpr, BLOCK: tl.constexpr) -> None:
    read = tl.make_tensor_descriptor(source, (rows, columns), (columns, 1), (BLOCK, columns))
    write = tl.make_tensor_descriptor(out, (rows, columns), (columns, 1), (BLOCK, columns))
    write.store([0, 0], read.load([0, 0]))


@interpreted
def count(counters: Any, keys: Any, n: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.arange(0, BLOCK)
    key = tl.load(keys + offsets, mask=offsets < n, other=0)
    tl.atomic_add(counters + key, 1, mask=offsets < n)


@interpreted
def claim(slots: Any, slot: Any) -> None:
    tl.atomic_cas(slots + slot + tl.program_id(0), 0, 1)


@interpreted
def exchange(slots: Any, n: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.arange(0, BLOCK)
    tl.atomic_xchg(slots + offsets, offsets + 1, mask=offsets < n)


@interpreted
def store_one(out: Any, at: Any, value: Any) -> None:
    tl.store(out + at, value)


@interpreted
def fill_tables(addresses: Any, n: Any, BLOCK: tl.constexpr) -> None:
    buffer = tl.load(addresses + tl.program_id(0)).to(tl.pointer_type(tl.float32))
    offsets = tl.arange(0, BLOCK)
    tl.store(buffer + offsets, offsets.to(tl.float32), mask=offsets < n)


@interpreted
def fill_wide(out: Any, n: Any, BLOCK: tl.constexpr) -> None:
    wide = out.to(tl.pointer_type(tl.int64))
    offsets = tl.arange(0, BLOCK)
    tl.store(wide + offsets, offsets.to(tl.int64), mask=offsets < n)


@interpreted
def fill_bytes(out: Any, n: Any, BLOCK: tl.constexpr) -> None:
    narrow = out.to(tl.pointer_type(tl.int8))
    offsets = tl.arange(0, BLOCK)
    tl.store(narrow + offsets, offsets.to(tl.int8), mask=offsets < n)


@interpreted
def chase(out: Any, links: Any, n: Any, BLOCK: tl.constexpr) -> None:
    """Follows a link that was itself loaded: a stray first read gives a wild second address."""
    offsets = tl.arange(0, BLOCK)
    link = tl.load(links + offsets, mask=offsets < n, other=0)
    tl.store(out + link, offsets, mask=offsets < n)


@interpreted
def sum_pages(out: Any, pages: Any, page_count: Any, PAGE: tl.constexpr) -> None:
    total = (tl.arange(0, PAGE) * 0).to(tl.float32)
    for page in range(page_count):
        total += tl.load(pages + page * PAGE + tl.arange(0, PAGE))
    tl.store(out + tl.arange(0, PAGE), total)


@interpreted
def sum_length(out: Any, values: Any, lengths: Any, BLOCK: tl.constexpr) -> None:
    """The length is loaded, as an attention kernel loads the lengths of its sequences."""
    length = tl.load(lengths + tl.program_id(0))
    offsets = tl.arange(0, BLOCK)
    total = (offsets * 0).to(tl.float32)
    for start in range(0, length, BLOCK):
        total += tl.load(values + start + offsets, mask=start + offsets < length, other=0.0)
    tl.store(out + tl.program_id(0) * BLOCK + offsets, total)


@interpreted
def fill_asserted(out: Any, n: Any, limit: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.arange(0, BLOCK)
    tl.device_assert((offsets < limit) | (offsets >= n), "too many elements")
    tl.store(out + offsets, offsets, mask=(offsets < n) & (offsets < limit))


@interpreted
def _store_row(base: Any, row: Any, stride: Any, BLOCK: tl.constexpr) -> None:
    tl.store(base + row * stride + tl.arange(0, BLOCK), row)


@interpreted
def fill_rows(out: Any, stride: Any, BLOCK: tl.constexpr) -> None:
    _store_row(out, tl.program_id(0), stride, BLOCK)


@interpreted
def fill_pair(pair: Any, n: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.arange(0, BLOCK)
    tl.store(pair[0] + offsets, offsets, mask=offsets < n)
    tl.store(pair[1] + offsets, offsets, mask=offsets < n)


@interpreted
def accumulate(out: Any, source: Any, n: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.arange(0, BLOCK)
    inside = offsets < n
    before = tl.load(out + offsets, mask=inside)
    tl.store(out + offsets, before + tl.load(source + offsets, mask=inside), mask=inside)


@interpreted
def reverse(out: Any, source: Any, n: Any, last: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.arange(0, BLOCK)
    value = tl.load(source + last - offsets, mask=offsets < n)
    tl.store(out + offsets, value, mask=offsets < n)


@interpreted
def poke(address: Any, value: Any, nbytes: Any, BLOCK: tl.constexpr) -> None:
    """memset on a device: writes bytes at an address that was taken from no argument."""
    offsets = tl.arange(0, BLOCK)
    place = (address + (offsets * 0).to(tl.int64)).to(tl.pointer_type(tl.uint8)) + offsets
    tl.store(place, (offsets * 0 + value).to(tl.uint8), mask=offsets < nbytes)


@interpreted
def multiply(out: Any, left: Any, right: Any, BLOCK: tl.constexpr) -> None:
    rows, columns = tl.arange(0, BLOCK)[:, None], tl.arange(0, BLOCK)[None, :]
    places = rows * BLOCK + columns
    tl.store(out + places, tl.dot(tl.load(left + places), tl.load(right + places)))


@interpreted
def sum_weighted(out: Any, weights: Any, values: Any, n: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.arange(0, BLOCK)
    weight = tl.where(offsets < n, tl.load(weights + offsets), 0.0)
    value = tl.where(offsets < n, tl.load(values + offsets), 0.0)
    tl.store(out, tl.reduce(weight * value, 0, tl.standard._sum_combine))


@interpreted
def largest(out: Any, values: Any, BLOCK: tl.constexpr) -> None:
    value = tl.load(values + tl.arange(0, BLOCK))
    tl.store(out, tl.reduce(value, 0, tl.standard._elementwise_max))


@interpreted
def low_bytes(out: Any, values: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.arange(0, BLOCK)
    tl.store(out + offsets, tl.load(values + offsets).to(tl.int8))


@interpreted
def copy(out: Any, values: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.arange(0, BLOCK)
    tl.store(out + offsets, tl.load(values + offsets))


@interpreted
def are_less(out: Any, values: Any, bound: Any, BLOCK: tl.constexpr) -> None:
    offsets = tl.arange(0, BLOCK)
    tl.store(out + offsets, tl.load(values + offsets) < bound)


@interpreted
def store_if_long(out: Any, lengths: Any) -> None:
    value = 1
    if tl.load(lengths) > 4:
        value = 2
    tl.store(out, value)

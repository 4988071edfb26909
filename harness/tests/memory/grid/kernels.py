"""Kernels whose programs go the same way, part, meet, or stray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import triton.language as tl
from triton.runtime.interpreter import InterpretedFunction


def interpreted(function: Callable[..., Any]) -> Any:
    """What triton.jit makes under TRITON_INTERPRET=1."""
    return InterpretedFunction(function)


@interpreted
def scale(out: Any, source: Any, n: Any, by: Any, BLOCK: tl.constexpr) -> None:
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(source + at, mask=at < n, other=0) * by, mask=at < n)


@interpreted
def three_axes(out: Any) -> None:
    x, y, z = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    place = (x * tl.num_programs(1) + y) * tl.num_programs(2) + z
    tl.store(out + place, 100 * x + 10 * y + z)


@interpreted
def sum_lengths(out: Any, lengths: Any, values: Any) -> None:
    total = 0
    for at in range(tl.load(lengths + tl.program_id(0))):
        total += tl.load(values + at)
    tl.store(out + tl.program_id(0), total)


@interpreted
def halve_until_odd(out: Any, values: Any) -> None:
    value = tl.load(values + tl.program_id(0))
    steps = 0
    while value % 2 == 0:
        value = value // 2
        steps += 1
    tl.store(out + tl.program_id(0), steps)


@interpreted
def only_even(out: Any, n: Any) -> None:
    if tl.program_id(0) % 2 == 0:
        tl.store(out + tl.program_id(0), n)
    else:
        tl.store(out + tl.program_id(0), -n)


@interpreted
def shift_between(out: Any) -> None:
    """Each program writes its own element and reads its left neighbour's."""
    at = tl.program_id(0)
    left = tl.load(out + at - 1, mask=at > 0, other=1)
    tl.store(out + at, left + 1)


@interpreted
def all_store(out: Any, same: Any) -> None:
    tl.store(out, 7 + tl.program_id(0) * (1 - same))


@interpreted
def count_all(out: Any) -> None:
    tl.atomic_add(out, 1)


@interpreted
def store_and_count(out: Any, counter: Any) -> None:
    tl.store(out, tl.program_id(0))
    tl.atomic_add(counter, 1)
    tl.store(out, tl.program_id(0))


@interpreted
def running_sum(out: Any, source: Any, BLOCK: tl.constexpr) -> None:
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.associative_scan(tl.load(source + at), 0, larger))


@interpreted
def larger(left: Any, right: Any) -> Any:
    return tl.where(left > right, left, right)


@interpreted
def largest(out: Any, source: Any, ROWS: tl.constexpr, COLUMNS: tl.constexpr) -> None:
    at = tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    tile = tl.load(source + tl.program_id(0) * ROWS * COLUMNS + at)
    tl.store(out + tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.reduce(tile, 1, larger))


@interpreted
def products(out: Any, left: Any, right: Any, SIZE: tl.constexpr) -> None:
    at = tl.arange(0, SIZE)[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
    base = tl.program_id(0) * SIZE * SIZE
    first, second = tl.load(left + base + at), tl.load(right + at)
    tl.store(out + base + at, tl.dot(first, tl.trans(second), input_precision="ieee"))


@interpreted
def shapes(out: Any, source: Any, BLOCK: tl.constexpr) -> None:
    """What moves elements around: join, split, reshape, broadcasts, a choice by a scalar."""
    program = tl.program_id(0)
    block = tl.load(source + program * BLOCK + tl.arange(0, BLOCK))
    pairs = tl.reshape(tl.join(block, -block), (2 * BLOCK,))
    first, second = tl.split(tl.reshape(pairs, (BLOCK, 2)))
    chosen = tl.where(program % 2 == 0, first, second * program)
    tile = tl.broadcast_to(chosen[:, None], (BLOCK, 2)) + tl.arange(0, 2)[None, :]
    at = tl.arange(0, BLOCK)[:, None] * 2 + tl.arange(0, 2)[None, :]
    tl.store(out + program * 2 * BLOCK + at, tile.T.T)


@interpreted
def copy_blocks(out: Any, source: Any, length: Any, BLOCK: tl.constexpr) -> None:
    start = tl.program_id(0) * BLOCK
    read = tl.make_block_ptr(source, (length,), (1,), (0,), (BLOCK,), (0,))
    write = tl.make_block_ptr(out, (length,), (1,), (start,), (BLOCK,), (0,))
    value = tl.load(tl.advance(read, (start,)), boundary_check=(0,), padding_option="zero")
    tl.store(write, value, boundary_check=(0,))


@interpreted
def stray_after_parting(out: Any, n: Any) -> None:
    """A stray store that every program makes, before programs go two ways."""
    at = tl.program_id(0)
    tl.store(out + n + at, at)
    if at % 4 == 3:
        tl.store(out + 2 * n + at, at)
    else:
        tl.store(out + at, at)


@interpreted
def lost(out: Any, bounds: Any) -> None:
    for at in range(tl.load(bounds + tl.program_id(0))):
        tl.store(out + 1000 + at, at)
    tl.store(out + tl.program_id(0), 1)


@interpreted
def fill_tables(addresses: Any, BLOCK: tl.constexpr) -> None:
    last = tl.num_programs(0) - 1
    buffer = tl.load(addresses + last - tl.program_id(0)).to(tl.pointer_type(tl.float32))
    tl.store(buffer + tl.arange(0, BLOCK), tl.program_id(0).to(tl.float32))


@interpreted
def assert_small(out: Any, n: Any) -> None:
    tl.store(out + tl.program_id(0), 1)
    tl.device_assert(tl.program_id(0) < n, "too many")


@interpreted
def take_right(values: Any) -> None:
    """Each program reads its right neighbour's element, which that will change."""
    at = tl.program_id(0)
    tl.store(values + at, tl.load(values + at + 1) + at + 1)


@interpreted
def copy_tail(out: Any, source: Any) -> None:
    at = 4 + 2 * tl.program_id(0) + tl.arange(0, 2)
    tl.store(out + at, tl.load(source + at))


@interpreted
def race_within(out: Any, BLOCK: tl.constexpr) -> None:
    """All lanes of a program store to its one element, each another value."""
    at = tl.arange(0, BLOCK)
    tl.store(out + tl.program_id(0) + 0 * at, at)


@interpreted
def mend_within(out: Any, BLOCK: tl.constexpr) -> None:
    """As that, and then all lanes store the same."""
    at = tl.arange(0, BLOCK)
    tl.store(out + tl.program_id(0) + 0 * at, at)
    tl.store(out + tl.program_id(0) + 0 * at, 7)


@interpreted
def add_to_tables(addresses: Any) -> None:
    buffer = tl.load(addresses + tl.program_id(0)).to(tl.pointer_type(tl.float32))
    at = tl.arange(0, 4)
    tl.store(buffer + at, tl.load(buffer + at) + 1)


@interpreted
def store_pairs(out: Any, last: Any, STEP: tl.constexpr) -> None:
    """Two elements of each program, which overlap the next one's unless they are masked or far enough."""
    at = tl.program_id(0) * STEP + tl.arange(0, 2)
    tl.store(out + at, tl.program_id(0) + 1, mask=tl.arange(0, 2) <= last)


@interpreted
def store_columns(out: Any, ROWS: tl.constexpr) -> None:
    """Elements between those of other programs."""
    at = tl.arange(0, ROWS) * tl.num_programs(0) + tl.program_id(0)
    tl.store(out + at, tl.load(out + at) + tl.program_id(0) + 1)


@interpreted
def store_words_and_a_byte(out: Any) -> None:
    """The first program stores two words, the second the third byte of the last one."""
    first = tl.program_id(0) == 0
    tl.store(out + tl.arange(0, 2), 0x01010101, mask=first)
    tl.store(out.to(tl.pointer_type(tl.uint8)) + 6, 9, mask=tl.program_id(0) == 1)


@interpreted
def settle(out: Any, seen: Any) -> None:
    """All programs leave 5 and find it, whatever the first one stores before."""
    tl.store(out, 7, mask=tl.program_id(0) == 0)
    tl.store(out, 5)
    tl.store(seen + tl.program_id(0), tl.load(out, mask=tl.program_id(0) == 0, other=5))


@interpreted
def stray_to_one(out: Any, n: Any) -> None:
    tl.store(out + n, tl.program_id(0))
    tl.store(out + tl.program_id(0), 1)


@interpreted
def store_then_assert(out: Any) -> None:
    tl.store(out, tl.program_id(0))
    tl.device_assert(tl.program_id(0) < 2, "too many")


@interpreted
def add_rows(keys: Any, values: Any, stride: Any, BLOCK: tl.constexpr) -> None:
    """Rows of two slices; those of the values are all stored to the first one."""
    at = tl.arange(0, BLOCK)
    tl.store(keys + tl.program_id(0) * stride + at, tl.program_id(0) + 1)
    tl.store(values + at, tl.program_id(0) + 1)


@interpreted
def meet_along_three_axes(out: Any) -> None:
    """All programs of one (x, z) at one element."""
    at = tl.program_id(0) * tl.num_programs(2) + tl.program_id(2)
    tl.store(out + at, tl.program_id(1), mask=at != 1)


@interpreted
def follow(memory: Any, script: Any, STEPS: tl.constexpr) -> None:
    """What a script has a program do: at each step load or store, there, a value to which the last load is
    added, or not. It is done by the first of two lanes, since a scalar's mask would part the programs."""
    lanes = tl.arange(0, 2)
    last = lanes * 0
    for step in range(STEPS):
        line = script + (tl.program_id(0) * STEPS + step) * 4 + lanes * 0
        does, at, value, adds = tl.load(line), tl.load(line + 1), tl.load(line + 2), tl.load(line + 3)
        last = tl.load(memory + at, mask=(does == 1) & (lanes == 0), other=last)
        tl.store(memory + at, value + adds * last, mask=(does == 2) & (lanes == 0))
